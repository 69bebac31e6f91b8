//! The field table: every column of an event, once.
//!
//! Builder, SQL schema, documentation page, completions and labels are all
//! generated from [`FIELDS`]; nobody else spells a column name.
//!
//! Names and shapes follow the CloudTrail Lake event schema and the Athena
//! CloudTrail table (AWS `CloudTrail` User Guide, "Supported SQL schemas for
//! event data stores"; Athena User Guide, "Query AWS `CloudTrail` logs").

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema, SchemaRef, TimeUnit};

/// What a leaf holds and which Arrow type carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, unescaped (`Utf8View`). A number or boolean delivered here is kept as its text.
    Text,
    /// JSON text exactly as delivered (`Utf8View`).
    Json,
    /// An instant (`Timestamp(Microsecond, "UTC")`).
    Time,
    /// `Boolean`; the texts `"true"` and `"false"` count.
    Flag,
    /// `UInt64`.
    Count,
    /// A calendar day (`Date32`).
    Day,
}

impl Kind {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = Kind::Day as usize + 1;

    /// The Arrow type that carries this kind.
    pub fn data_type(self) -> DataType {
        match self {
            Kind::Text | Kind::Json => DataType::Utf8View,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Flag => DataType::Boolean,
            Kind::Count => DataType::UInt64,
            Kind::Day => DataType::Date32,
        }
    }
}

/// One leaf of the event schema.
#[derive(Debug)]
pub struct Field {
    /// The leaf this line describes.
    pub leaf: Leaf,
    /// SQL path, lower case: `useridentity.sessioncontext.sourceidentity`.
    /// A segment that ends in `[]` is a list of structs.
    pub name: &'static str,
    /// The path as `CloudTrail` spells it in a record; empty for our own columns.
    pub member: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// One line for people.
    pub doc: &'static str,
}

macro_rules! leaves {
    ($( $leaf:ident $name:literal $member:literal $kind:ident $doc:literal; )*) => {
        /// A leaf column: where one scalar of an event lives.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Leaf { $( #[doc = $doc] $leaf, )* }

        /// Every leaf of an event, in schema order.
        pub static FIELDS: &[Field] = &[
            $( Field { leaf: Leaf::$leaf, name: $name, member: $member, kind: Kind::$kind, doc: $doc }, )*
        ];
    };
}

leaves! {
    EventVersion "eventversion" "eventVersion" Text "version of the record format";
    IdentityType "useridentity.type" "userIdentity.type" Text "kind of identity: IAMUser, AssumedRole, AWSService, Root…";
    IdentityPrincipalId "useridentity.principalid" "userIdentity.principalId" Text "unique id of the caller; `<id>:<session name>` for sessions";
    IdentityArn "useridentity.arn" "userIdentity.arn" Text "ARN of the caller, session form for roles";
    IdentityAccountId "useridentity.accountid" "userIdentity.accountId" Text "account that owns the calling identity";
    IdentityAccessKeyId "useridentity.accesskeyid" "userIdentity.accessKeyId" Text "access key that signed the request";
    IdentityUserName "useridentity.username" "userIdentity.userName" Text "friendly name of an IAM user";
    IdentityInvokedBy "useridentity.invokedby" "userIdentity.invokedBy" Text "AWS service that made the call for the caller";
    IdentityProvider "useridentity.identityprovider" "userIdentity.identityProvider" Text "identity provider of a SAML or web identity user";
    IdentityCredentialId "useridentity.credentialid" "userIdentity.credentialId" Text "bearer token id";
    DelegateAccountId "useridentity.invokedbydelegate.accountid" "userIdentity.invokedByDelegate.accountId" Text "account of a product provider that used delegated access";
    BehalfUserId "useridentity.onbehalfof.userid" "userIdentity.onBehalfOf.userId" Text "Identity Center user the call was made for";
    BehalfStoreArn "useridentity.onbehalfof.identitystorearn" "userIdentity.onBehalfOf.identityStoreArn" Text "identity store of that user";
    ScopeSourceArn "useridentity.inscopeof.sourcearn" "userIdentity.inScopeOf.sourceArn" Text "resource the credentials were issued for";
    ScopeSourceAccount "useridentity.inscopeof.sourceaccount" "userIdentity.inScopeOf.sourceAccount" Text "account of that resource";
    ScopeIssuerType "useridentity.inscopeof.issuertype" "userIdentity.inScopeOf.issuerType" Text "type of the resource that issued the credentials";
    ScopeIssuedTo "useridentity.inscopeof.credentialsissuedto" "userIdentity.inScopeOf.credentialsIssuedTo" Text "resource the credentials were issued to";
    SessionCreated "useridentity.sessioncontext.attributes.creationdate" "userIdentity.sessionContext.attributes.creationDate" Time "when the session's credentials were issued";
    SessionMfa "useridentity.sessioncontext.attributes.mfaauthenticated" "userIdentity.sessionContext.attributes.mfaAuthenticated" Text "`true` if the session was opened with MFA";
    IssuerType "useridentity.sessioncontext.sessionissuer.type" "userIdentity.sessionContext.sessionIssuer.type" Text "what issued the session: Role, IAMUser, Root";
    IssuerPrincipalId "useridentity.sessioncontext.sessionissuer.principalid" "userIdentity.sessionContext.sessionIssuer.principalId" Text "unique id of the issuer";
    IssuerArn "useridentity.sessioncontext.sessionissuer.arn" "userIdentity.sessionContext.sessionIssuer.arn" Text "ARN of the issuer, with the role's path";
    IssuerAccountId "useridentity.sessioncontext.sessionissuer.accountid" "userIdentity.sessionContext.sessionIssuer.accountId" Text "account of the issuer";
    IssuerUserName "useridentity.sessioncontext.sessionissuer.username" "userIdentity.sessionContext.sessionIssuer.userName" Text "role or user name of the issuer";
    FederatedProvider "useridentity.sessioncontext.webidfederationdata.federatedprovider" "userIdentity.sessionContext.webIdFederationData.federatedProvider" Text "web identity provider";
    FederationAttributes "useridentity.sessioncontext.webidfederationdata.attributes" "userIdentity.sessionContext.webIdFederationData.attributes" Json "attributes the provider sent";
    SourceIdentity "useridentity.sessioncontext.sourceidentity" "userIdentity.sessionContext.sourceIdentity" Text "sticky identity set when a role was assumed";
    Ec2RoleDelivery "useridentity.sessioncontext.ec2roledelivery" "userIdentity.sessionContext.ec2RoleDelivery" Text "instance metadata service version: 1.0 or 2.0";
    Ec2IssuedInVpc "useridentity.sessioncontext.ec2issuedinvpc" "userIdentity.sessionContext.ec2IssuedInVpc" Text "VPC in which instance credentials were issued";
    AssumedRoot "useridentity.sessioncontext.assumedroot" "userIdentity.sessionContext.assumedRoot" Text "`true` for sessions from sts:AssumeRoot";
    EventTime "eventtime" "eventTime" Time "when the request completed";
    EventSource "eventsource" "eventSource" Text "service the request was made to, such as `eks.amazonaws.com`";
    EventName "eventname" "eventName" Text "requested action";
    AwsRegion "awsregion" "awsRegion" Text "Region the request was made to";
    SourceIpAddress "sourceipaddress" "sourceIPAddress" Text "address of the caller, or the name of an AWS service";
    UserAgent "useragent" "userAgent" Text "agent through which the request was made";
    ErrorCode "errorcode" "errorCode" Text "error returned, absent on success";
    ErrorMessage "errormessage" "errorMessage" Text "description of the error";
    RequestParameters "requestparameters" "requestParameters" Json "parameters of the request";
    ResponseElements "responseelements" "responseElements" Json "elements of the response";
    AdditionalEventData "additionaleventdata" "additionalEventData" Json "further data about the event";
    RequestId "requestid" "requestID" Text "request id made by the service";
    EventId "eventid" "eventID" Text "unique id made by CloudTrail";
    ReadOnly "readonly" "readOnly" Flag "true for a read, false for a write";
    ResourceAccountId "resources[].accountid" "resources[].accountId" Text "owner of the resource";
    ResourceType "resources[].type" "resources[].type" Text "type of the resource, such as `AWS::S3::Bucket`";
    ResourceArn "resources[].arn" "resources[].ARN" Text "ARN of the resource";
    ResourceArnPrefix "resources[].arnprefix" "resources[].ARNPrefix" Text "ARN prefix of a prefix-wide call";
    ServiceEventDetails "serviceeventdetails" "serviceEventDetails" Json "details of an event that a service made";
    EventType "eventtype" "eventType" Text "AwsApiCall, AwsServiceEvent, AwsConsoleSignIn…";
    ApiVersion "apiversion" "apiVersion" Text "API version of the request";
    ManagementEvent "managementevent" "managementEvent" Flag "true for a management event";
    RecipientAccountId "recipientaccountid" "recipientAccountId" Text "account whose trail got this copy";
    SharedEventId "sharedeventid" "sharedEventID" Text "shared by the copies that went to several accounts";
    VpcEndpointId "vpcendpointid" "vpcEndpointId" Text "VPC endpoint the request came through";
    VpcEndpointAccountId "vpcendpointaccountid" "vpcEndpointAccountId" Text "owner of that endpoint";
    EventCategory "eventcategory" "eventCategory" Text "Management, Data, NetworkActivity, Insight or Aggregated";
    Addendum "addendum" "addendum" Json "why a delayed or updated event was delivered";
    SessionFromConsole "sessioncredentialfromconsole" "sessionCredentialFromConsole" Text "`true` if the credentials came from a console session";
    EdgeDeviceDetails "edgedevicedetails" "edgeDeviceDetails" Json "edge device of the request";
    TlsVersion "tlsdetails.tlsversion" "tlsDetails.tlsVersion" Text "TLS version of the request";
    TlsCipherSuite "tlsdetails.ciphersuite" "tlsDetails.cipherSuite" Text "cipher suite of the request";
    TlsHostHeader "tlsdetails.clientprovidedhostheader" "tlsDetails.clientProvidedHostHeader" Text "host name the client asked for";
    TlsKeyExchange "tlsdetails.keyexchange" "tlsDetails.keyExchange" Text "key exchange group of the request";
    RequestContext "eventcontext.requestcontext" "eventContext.requestContext" Json "condition keys of an enriched event";
    PrincipalTags "eventcontext.tagcontext.principaltags" "eventContext.tagContext.principalTags" Json "tags of the caller of an enriched event";
    ResourceTags "eventcontext.tagcontext.resourcetags" "eventContext.tagContext.resourceTags" Json "tags of the resources of an enriched event";
    InsightDetails "insightdetails" "insightDetails" Json "what was unusual, for an Insights event";
    Annotation "annotation" "annotation" Text "annotation of an event data store";
    Raw "raw" "" Json "the record exactly as delivered";
    SourceObject "source_object" "" Text "file or object the record came from";
    SourceOffset "source_offset" "" Count "byte offset of the record in the uncompressed object";
    PathOrg "org" "" Text "organization id in the object's key";
    PathAccount "account" "" Text "account in the object's key";
    PathRegion "region" "" Text "Region in the object's key";
    PathDay "day" "" Day "day of delivery in the object's key";
    Session "session" "" Text "short id of the session that made the event; computed from the whole input";
    Actor "actor" "" Text "identity at the root of the session's chain; computed from the whole input";
    ActorType "actor_type" "" Text "what that identity is: human, root, workload, service, outside account…; computed";
    Cause "cause" "" Text "event id of the request that made a service act; computed from the whole input";
    Confidence "confidence" "" Text "how sure session, actor and cause are: certain, strong, weak; computed";
    Verified "verified" "" Text "what the digests say of the object: valid, modified, unlisted, no digest; computed on request";
}

impl Leaf {
    /// How many leaves there are.
    pub const COUNT: usize = FIELDS.len();

    /// The line of the field table that describes this leaf.
    pub fn field(self) -> &'static Field {
        &FIELDS[self as usize]
    }

    /// SQL path of this leaf.
    pub fn name(self) -> &'static str {
        self.field().name
    }

    /// The top-level column this leaf lies in.
    pub fn column(self) -> Column {
        Column::of(self)
    }

    /// Finds a leaf by its SQL path or its `CloudTrail` path, without regard to case.
    pub fn find(path: &str) -> Option<Leaf> {
        FIELDS
            .iter()
            .find(|field| {
                field.name.eq_ignore_ascii_case(path)
                    || (!field.member.is_empty() && field.member.eq_ignore_ascii_case(path))
            })
            .map(|field| field.leaf)
    }

    /// True for leaves that are not read from a record or its key, but worked
    /// out of the whole input by an annotator; null without one.
    pub fn is_computed(self) -> bool {
        self >= Leaf::Session
    }

    /// True for the leaves of a list of structs.
    pub fn is_in_list(self) -> bool {
        self.name().contains("[]")
    }
}

/// A top-level column: a scalar, a struct or a list of structs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    first: u8,
    last: u8,
}

impl Column {
    fn of(leaf: Leaf) -> Column {
        *Column::all()
            .iter()
            .find(|column| column.leaves().iter().any(|field| field.leaf == leaf))
            .unwrap_or(&Column { first: leaf as u8, last: leaf as u8 })
    }

    /// Every top-level column, in schema order.
    pub fn all() -> &'static [Column] {
        static ALL: OnceLock<Vec<Column>> = OnceLock::new();
        ALL.get_or_init(|| {
            let mut columns: Vec<Column> = Vec::new();
            for (index, field) in FIELDS.iter().enumerate() {
                let index = index as u8;
                match columns.last_mut() {
                    Some(column) if column.name() == head(field.name) => column.last = index,
                    _ => columns.push(Column { first: index, last: index }),
                }
            }
            columns
        })
    }

    /// Finds a column by name, without regard to case.
    pub fn find(name: &str) -> Option<Column> {
        Column::all().iter().copied().find(|column| column.name().eq_ignore_ascii_case(name))
    }

    /// Name of the column, lower case.
    pub fn name(self) -> &'static str {
        head(FIELDS[self.first as usize].name)
    }

    /// The leaves of this column, in schema order.
    pub fn leaves(self) -> &'static [Field] {
        &FIELDS[self.first as usize..=self.last as usize]
    }

    /// The Arrow field of this column.
    pub fn arrow(self) -> ArrowField {
        arrow_field(self.leaves(), 0)
    }
}

/// The Arrow schema of a batch with every column.
pub fn schema() -> SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| {
        let fields: Vec<ArrowField> = Column::all().iter().map(|column| column.arrow()).collect();
        Arc::new(Schema::new(fields))
    }))
}

/// The first segment of a path, without its list mark.
fn head(path: &str) -> &str {
    path.split('.').next().unwrap_or(path).trim_end_matches("[]")
}

/// The Arrow field for `leaves`, which all share the path segment at `depth`.
fn arrow_field(leaves: &'static [Field], depth: usize) -> ArrowField {
    let segment = leaves[0].name.split('.').nth(depth).unwrap_or_default();
    let name = segment.trim_end_matches("[]");
    if leaves[0].name.split('.').count() == depth + 1 {
        return ArrowField::new(name, leaves[0].kind.data_type(), true);
    }
    let mut members: Vec<ArrowField> = Vec::new();
    for group in leaves.chunk_by(|a, b| segment_at(a, depth + 1) == segment_at(b, depth + 1)) {
        members.push(arrow_field(group, depth + 1));
    }
    let group = DataType::Struct(Fields::from(members));
    if segment.ends_with("[]") {
        let item = Arc::new(ArrowField::new("item", group, true));
        ArrowField::new(name, DataType::List(item), true)
    } else {
        ArrowField::new(name, group, true)
    }
}

fn segment_at(field: &Field, depth: usize) -> &'static str {
    field.name.split('.').nth(depth).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_stands_at_its_own_number() {
        for (index, field) in FIELDS.iter().enumerate() {
            assert_eq!(field.leaf as usize, index, "{}", field.name);
        }
        const { assert!(Leaf::COUNT <= 128, "a projection is a 128-bit set") }
    }

    #[test]
    fn the_members_of_a_column_stand_together() {
        let names: Vec<&str> = Column::all().iter().map(|column| column.name()).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        assert_eq!(schema().fields().len(), names.len());
    }

    #[test]
    fn a_leaf_is_found_by_either_spelling() {
        assert_eq!(
            Leaf::find("userIdentity.sessionContext.sessionIssuer.userName"),
            Some(Leaf::IssuerUserName)
        );
        assert_eq!(Leaf::find("SOURCEIPADDRESS"), Some(Leaf::SourceIpAddress));
        assert_eq!(Leaf::find("nonesuch"), None);
    }
}
