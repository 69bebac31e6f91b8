//! Writes one record as CloudTrail does: compact, members in the observed order.

use crate::clock;

/// Everything a record says. Empty texts are left out, or null where the member must stand.
pub(crate) struct Draft<'a> {
    pub(crate) version: &'a str,
    pub(crate) identity: &'a str,
    pub(crate) time: i64,
    pub(crate) source: &'a str,
    pub(crate) name: &'a str,
    pub(crate) region: &'a str,
    pub(crate) ip: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) error: Option<&'a Fault>,
    pub(crate) request: &'a str,
    pub(crate) response: &'a str,
    pub(crate) additional: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) event_id: &'a str,
    pub(crate) read_only: bool,
    /// Members of the array, without brackets.
    pub(crate) resources: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) api_version: &'a str,
    pub(crate) data: bool,
    pub(crate) recipient: &'a str,
    pub(crate) shared: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) tls: Tls<'a>,
    pub(crate) from_console: bool,
    /// Why the record comes late, as JSON.
    pub(crate) addendum: &'a str,
}

/// The connection a client came through.
#[derive(Clone, Copy)]
pub(crate) enum Tls<'a> {
    /// Not recorded.
    None,
    /// TLS 1.3 to this host.
    Modern(&'a str),
    /// TLS 1.2 to this host.
    Older(&'a str),
}

/// An error answer; the message is already escaped for JSON.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Draft<'_> {
    /// Appends the record.
    pub(crate) fn write(&self, out: &mut String) {
        self.write_call(out);
        self.write_answer(out);
        self.write_place(out);
    }

    fn write_call(&self, out: &mut String) {
        out.push_str(r#"{"eventVersion":""#);
        out.push_str(self.version);
        out.push_str(r#"","userIdentity":"#);
        out.push_str(self.identity);
        out.push_str(r#","eventTime":""#);
        clock::push_iso(out, self.time);
        out.push('"');
        text(out, "eventSource", self.source);
        text(out, "eventName", self.name);
        text(out, "awsRegion", self.region);
        text(out, "sourceIPAddress", self.ip);
        text(out, "userAgent", self.agent);
        if let Some(fault) = self.error {
            text(out, "errorCode", fault.code);
            text(out, "errorMessage", &fault.message);
        }
    }

    fn write_answer(&self, out: &mut String) {
        // A failed sign-in has a message without a code, and still an answer.
        let failed = self.error.is_some_and(|fault| !fault.code.is_empty());
        json_or_null(out, "requestParameters", self.request);
        json_or_null(out, "responseElements", if failed { "" } else { self.response });
        if !self.additional.is_empty() {
            json_or_null(out, "additionalEventData", self.additional);
        }
        text(out, "requestID", self.request_id);
        text(out, "eventID", self.event_id);
        out.push_str(if self.read_only { r#","readOnly":true"# } else { r#","readOnly":false"# });
        if !self.resources.is_empty() {
            out.push_str(r#","resources":["#);
            out.push_str(self.resources);
            out.push(']');
        }
    }

    fn write_place(&self, out: &mut String) {
        text(out, "eventType", self.event_type);
        text(out, "apiVersion", self.api_version);
        out.push_str(if self.data { r#","managementEvent":false"# } else { r#","managementEvent":true"# });
        text(out, "recipientAccountId", self.recipient);
        text(out, "sharedEventID", self.shared);
        text(out, "vpcEndpointId", self.endpoint);
        if !self.endpoint.is_empty() {
            text(out, "vpcEndpointAccountId", self.recipient);
        }
        text(out, "eventCategory", if self.data { "Data" } else { "Management" });
        let (version, cipher, host) = match self.tls {
            Tls::None => ("", "", ""),
            Tls::Modern(host) => ("TLSv1.3", "TLS_AES_128_GCM_SHA256", host),
            Tls::Older(host) => ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", host),
        };
        if !host.is_empty() {
            out.push_str(r#","tlsDetails":{"tlsVersion":""#);
            out.push_str(version);
            out.push('"');
            text(out, "cipherSuite", cipher);
            text(out, "clientProvidedHostHeader", host);
            out.push('}');
        }
        if self.from_console {
            out.push_str(r#","sessionCredentialFromConsole":"true""#);
        }
        if !self.addendum.is_empty() {
            json_or_null(out, "addendum", self.addendum);
        }
        out.push('}');
    }
}

fn text(out: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":\"");
        out.push_str(value);
        out.push('"');
    }
}

fn json_or_null(out: &mut String, name: &str, value: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    out.push_str(if value.is_empty() { "null" } else { value });
}
