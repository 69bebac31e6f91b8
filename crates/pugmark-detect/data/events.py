"""Makes `events.txt`, the catalog of (eventSource, eventName) pairs that CloudTrail records.

The operations come from the service models that AWS publishes with its Python SDK (botocore, Apache-2.0);
what the models do not say (how CloudTrail names the source, events that are no API call) is written down
below, each with its reason. Same botocore, same file, byte for byte.

    python3 -m venv /tmp/models && /tmp/models/bin/pip install botocore
    /tmp/models/bin/python events.py > events.txt

One line per source: the source, then its names, all sorted. Lines that start with `#` are remarks.
"""

import re
import sys

import botocore
import botocore.session

# Sources that differ from the signing name (or, without one, the endpoint prefix) of the model.
# Several sources: CloudTrail has used each, by operation or by time.
SOURCES = {
    "application-autoscaling": ["autoscaling", "application-autoscaling"],
    "bedrock-agentcore": ["bedrock-agentcore"],
    "cloudwatch": ["monitoring"],
    "dynamodbstreams": ["dynamodb"],
    "identitystore": ["identitystore", "sso-directory"],
    "lexv2-models": ["lexv2", "lex"],
    "lexv2-runtime": ["lexv2", "lex"],
    "marketplace-agreement": ["agreement-marketplace", "aws-marketplace"],
    "marketplace-catalog": ["catalog-marketplace", "aws-marketplace"],
    "marketplace-deployment": ["deployment-marketplace", "aws-marketplace"],
    "marketplace-entitlement": ["entitlement-marketplace", "aws-marketplace"],
    "meteringmarketplace": ["metering-marketplace", "aws-marketplace"],
    "opensearch": ["es"],
    "rds-data": ["rdsdata", "rds-data"],
    "resource-groups": ["resource-groups"],
    "sso": ["sso"],
    "sso-oidc": ["sso", "sso-oauth"],
    "iotsecuretunneling": ["iotsecuredtunneling"],
    "waf": ["waf"],
    "waf-regional": ["waf-regional"],
}

# Operations that CloudTrail records under another name.
RENAMED = {
    ("s3", "GetBucketLifecycleConfiguration"): "GetBucketLifecycle",
    ("s3", "GetBucketNotificationConfiguration"): "GetBucketNotification",
    ("s3", "GetObjectLockConfiguration"): "GetBucketObjectLockConfiguration",
    ("s3", "GetPublicAccessBlock"): "GetBucketPublicAccessBlock",
    ("s3", "DeletePublicAccessBlock"): "DeleteBucketPublicAccessBlock",
    ("s3", "ListObjectsV2"): "ListObjects",
    ("s3", "PutBucketLifecycleConfiguration"): "PutBucketLifecycle",
    ("s3", "PutBucketNotificationConfiguration"): "PutBucketNotification",
    ("s3", "PutObjectLockConfiguration"): "PutBucketObjectLockConfiguration",
    ("s3", "PutPublicAccessBlock"): "PutBucketPublicAccessBlock",
    ("s3control", "DeletePublicAccessBlock"): "DeleteAccountPublicAccessBlock",
    ("s3control", "GetPublicAccessBlock"): "GetAccountPublicAccessBlock",
    ("s3control", "PutPublicAccessBlock"): "PutAccountPublicAccessBlock",
}

# Lambda appends the date of an operation's API version, and for a second form of it `v2`. Operations
# with a date from 2019 on carry none; the data event is plain `Invoke`.
LAMBDA_UNDATED = {"Invoke", "InvokeAsync", "InvokeWithResponseStream"}

# Events that no public model holds: sign-in, console services, events of services, and agents' calls.
ADDED = """
acm-pca GenerateCRL GenerateOCSPResponse
aws-marketplace AcceptAgreementRequest SearchAgreements Subscribe Unsubscribe ViewSubscriptions
bedrock PutFoundationModelEntitlement
billingconsole AWSPaymentInstrumentGateway.Get AWSPaymentPortalService.GetPaymentInstruments GetBillingNotifications GetBills GetPaymentInformation GetTaxSettings SetSecondaryContacts UpdateAccountPreferences
cassandra Alter Create Drop Grant Insert Select Update Delete Batch Restore List Revoke
cloudshell ApproveCommand CreateEnvironment CreateSession DeleteEnvironment GetEnvironmentStatus GetFileDownloadUrls GetFileUploadUrls GetLayout ListEnvironments PutCredentials RedeemCode SendHeartBeat StartEnvironment StopEnvironment UpdateLayout DescribeEnvironments
codecommit GitPull GitPush
codewhisperer GenerateRecommendations GenerateAssistantResponse GenerateCompletions
cognito-idp Authorize_GET AssociateAdmin CognitoAuthentication Error_GET ForgotPassword_GET ForgotPassword_POST Login_GET Login_POST Logout OAuth2_Authorize_GET OAuth2Response_GET OAuth2_UserInfo SAML2Response_POST Signup_GET Signup_POST Token_POST UserInfo_GET
config DeliverConfigHistory DeliverConfigSnapshot PutStoredQuery
controltower ApplyGuardrail CreateManagedAccount DeregisterOrganizationalUnit DisableGuardrail EnableGuardrail PrecheckOrganizationalUnit RegisterOrganizationalUnit SetupLandingZone UpdateLandingZone UpdateManagedAccount
directconnect VirtualInterfaceStateChange
ec2 BidCancelledEvent BidEvictedEvent BidFulfilledEvent SharedSnapshotCopyInitiated SharedSnapshotVolumeCreated
ec2-instance-connect OpenTunnel
ecr BatchDeleteImageByPolicy GetSigningConfiguration PolicyExecutionEvent PullThroughCache
eks AccessKubernetesApi ListDashboardData ListDashboardResources MutateViaKubernetesApi
elasticfilesystem NewClientConnection UpdateClientConnection
identity-sync CreateSyncFilter CreateSyncProfile DeleteSyncFilter DeleteSyncProfile GetSyncProfile StartSync StopSync
kms DeleteKey RotateKey SynchronizeMultiRegionKey
lakeformation GetDataAccess
logs ExportLogs
organizations AccountDepartedOrganization AccountJoinedOrganization CloseAccountResult CreateAccountResult
payments CreatePaymentInstrument DeletePaymentInstrument MakePayment UpdatePaymentPreferences
q PassRequest
quicksight AccountCreated BatchCreateUser BatchResetUserPassword CreateDashboard EmbedDashboard GetDashboard GetSession QueryDatabase Unsubscribe UpdateAccount
redshift-serverless GetCredentials
route53 TestDNSAnswer
s3 GetAccelerateConfiguration GetStorageLensDashboardDataInternal ListBuckets PutAccelerateConfiguration
secretsmanager CancelSecretVersionDelete EndSecretVersionDelete RotationAbandoned RotationFailed RotationStarted RotationSucceeded StartSecretVersionDelete TestRotationFailed TestRotationStarted TestRotationSucceeded
signin CheckMfa ConsoleLogin CredentialChallenge CredentialVerification EmailUpdated ExitRole GetSigninToken PasswordRecoveryCompleted PasswordRecoveryRequested PasswordUpdated RenewRole SwitchRole UserAuthentication AuthorizeOAuth2Access CreateOAuth2Token
sqlworkbench CreateConnection GenerateSession GetConnection ListConnections StartExecution
ssm GetManifest ListInstanceAssociations OpenDataChannel PutConfigurePackageResult RegisterManagedInstance RequestManagedInstanceRoleToken UpdateInstanceAssociationStatus UpdateInstanceInformation
ssmmessages CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel
sso Authenticate BatchDeleteSession BatchGetSession CreateApplicationInstanceCertificate DeleteApplicationInstanceCertificate DeletePermissionsPolicy DescribePermissionsPolicies GetApplicationInstance GetApplicationTemplate GetManagedApplicationInstance GetPermissionSet GetPermissionsPolicy GetProfile GetSsoConfiguration GetTrust ImportApplicationInstanceServiceProviderMetadata ListApplicationInstanceCertificates ListApplicationTemplates ListProfileAssociations PutPermissionsPolicy UpdateApplicationInstanceStatus UpdateManagedApplicationInstanceStatus UpdateProfile UpdateTrust CreateProfile DeleteProfile Federate ListApplicationInstances ListDirectoryAssociations ListProfiles Logout MfaDeviceRegistered ProvisionSAMLProvider StartSSO UpdateSsoConfiguration CreateApplicationInstance CreateManagedApplicationInstance DeleteApplicationInstance AssociateDirectory DisassociateDirectory AssociateProfile DisassociateProfile PutMfaDeviceManagementForDirectory GetMfaDeviceManagementForDirectory UpdateDirectoryAssociation CreateTrust GetSSOStatus DescribeRegisteredRegions GetSharedSsoConfiguration SearchGroups SearchUsers EnableSSO DeleteSSO
sso-directory AddMemberToGroup BindUser CompleteVirtualMfaDeviceRegistration CompleteWebAuthnDeviceRegistration CreateAlias CreateBearerToken CreateExternalIdPConfigurationForDirectory CreateProvisioningTenant CreateUser DeleteExternalIdPConfigurationForDirectory DeleteProvisioningTenant DisableExternalIdPConfigurationForDirectory EnableExternalIdPConfigurationForDirectory ListExternalIdPConfigurationsForDirectory PutMfaDeviceManagementForDirectory UpdateExternalIdPConfigurationForDirectory DeleteBearerToken DeleteMfaDeviceForUser DescribeDirectory DescribeGroups DescribeUsers DisableUser EnableUser GetAWSSPConfigurationForDirectory ListBearerTokens ListGroupsForUser ListMembersInGroup ListMfaDevicesForUser ListProvisioningTenants RemoveMemberFromGroup SearchGroups SearchUsers StartVirtualMfaDeviceRegistration StartWebAuthnDeviceRegistration UpdateMfaDeviceForUser UpdatePassword VerifyEmail
sts GetServiceBearerToken
support DescribeSupportLevel RefreshTrustedAdvisorCheck SearchForCases
tax GetTaxInheritance SetTaxInheritance UpdateTaxRegistration
trustedadvisor DescribeAccount DescribeAccountAccess DescribeCheckItems DescribeCheckRefreshStatuses DescribeCheckSummaries DescribeChecks DescribeNotificationPreferences ExcludeCheckItems IncludeCheckItems RefreshCheck SetAccountAccess UpdateNotificationPreferences
"""


def sources(service, model):
    """The `eventSource` values of one service model, without the domain."""
    if service in SOURCES:
        return SOURCES[service]
    metadata = model.metadata
    name = metadata.get("signingName") or metadata["endpointPrefix"]
    return [name.lower()]


def lambda_names(operation, path):
    """What CloudTrail calls an operation of Lambda whose request path starts with a date."""
    date = re.match(r"/(\d{4})-(\d{2})-(\d{2})/", path)
    if operation in LAMBDA_UNDATED or date is None or date.group(1) >= "2019":
        return [operation]
    dated = operation + "".join(date.groups())
    return [dated, dated + "v2"]


def names(service, model):
    """Every `eventName` of one service model."""
    for operation in model.operation_names:
        if service == "lambda":
            yield from lambda_names(operation, model.operation_model(operation).http["requestUri"])
        else:
            yield RENAMED.get((service, operation), operation)


def catalog():
    """Source to set of names."""
    found = {}
    session = botocore.session.get_session()
    for service in session.get_available_services():
        model = session.get_service_model(service)
        for source in sources(service, model):
            found.setdefault(source, set()).update(names(service, model))
    for line in ADDED.split("\n"):
        if line.strip():
            source, *added = line.split()
            found.setdefault(source, set()).update(added)
    return found


def main():
    """Writes the file to standard output."""
    out = sys.stdout
    out.write("# CloudTrail's event sources and their event names. Made by events.py, do not edit.\n")
    out.write(f"# Service models: botocore {botocore.__version__}\n")
    for source, found in sorted((f"{source}.amazonaws.com", found) for source, found in catalog().items()):
        out.write(" ".join([source, *sorted(found)]) + "\n")


main()
