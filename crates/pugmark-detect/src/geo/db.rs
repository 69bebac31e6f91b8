//! Country, city and network of an address, from `MaxMind` DB files.
//!
//! Any file of that format serves whose records are as in `GeoIP2` and `GeoLite2` City, Country or ASN
//! databases, or flat as other publishers write them (`MaxMind` DB file format specification 2.0).

use std::net::IpAddr;

use maxminddb::Reader;
use serde_json::Value;

/// A database could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{name}` as a MaxMind database: {reason}")]
pub struct GeoError {
    /// The file.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

/// Databases, asked one after the other: what the first does not know, the next may.
#[derive(Debug, Default)]
pub struct GeoDb {
    readers: Vec<Reader<Vec<u8>>>,
}

/// What is known of an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// ISO 3166-1 code of the country.
    pub country: Option<String>,
    /// Name of the city.
    pub city: Option<String>,
    /// Latitude and longitude, degrees.
    pub position: Option<(f64, f64)>,
    /// How exact the position is, kilometres.
    pub accuracy_km: Option<f64>,
    /// Number of the autonomous system.
    pub asn: Option<u64>,
    /// Who runs that system.
    pub organization: Option<String>,
}

impl GeoDb {
    /// Opens databases given as (name, bytes).
    ///
    /// # Errors
    /// Names the first file that is none.
    pub fn open(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<GeoDb, GeoError> {
        let open = |(name, bytes)| {
            Reader::from_source(bytes)
                .map_err(|error: maxminddb::MaxMindDbError| GeoError { name, reason: error.to_string() })
        };
        Ok(GeoDb { readers: files.into_iter().map(open).collect::<Result<_, _>>()? })
    }

    /// True if there is no database.
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// What is known of `address`. A record that cannot be read counts as not there.
    pub fn place(&self, address: IpAddr) -> Place {
        let mut place = Place::default();
        for reader in &self.readers {
            let Ok(found) = reader.lookup(address) else { continue };
            if let Ok(Some(record)) = found.decode::<Value>() {
                place.complete(&record);
            }
        }
        place
    }
}

impl Place {
    /// Fills what is not yet known.
    fn complete(&mut self, record: &Value) {
        let text = |paths: &[&str]| {
            let texts = paths.iter().filter_map(|path| record.pointer(path)?.as_str());
            texts.map(str::to_owned).find(|text| !text.is_empty())
        };
        let number = |paths: &[&str]| paths.iter().find_map(|path| as_number(record.pointer(path)?));
        let country = ["/country/iso_code", "/registered_country/iso_code", "/country_code", "/country"];
        self.country = self.country.take().or_else(|| text(&country));
        self.city = self.city.take().or_else(|| text(&["/city/names/en", "/city"]));
        self.accuracy_km = self.accuracy_km.or_else(|| number(&["/location/accuracy_radius"]));
        let latitude = number(&["/location/latitude", "/latitude", "/lat"]);
        let longitude = number(&["/location/longitude", "/longitude", "/lng"]);
        let on_earth =
            |(latitude, longitude): &(f64, f64)| latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        self.position = self.position.or_else(|| latitude.zip(longitude).filter(on_earth));
        let asn = || number(&["/autonomous_system_number", "/asn", "/traits/autonomous_system_number"]);
        self.asn = self.asn.or_else(|| asn().map(|number| number as u64));
        let organization =
            ["/autonomous_system_organization", "/as_name", "/traits/autonomous_system_organization"];
        self.organization = self.organization.take().or_else(|| text(&organization));
    }

    /// Kilometres between two places on a sphere of the Earth's mean radius; `None` where a position
    /// is not known.
    pub fn distance_km(&self, other: &Place) -> Option<f64> {
        let ((lat_a, lon_a), (lat_b, lon_b)) = (self.position?, other.position?);
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let chord =
            half(lat_a, lat_b) + lat_a.to_radians().cos() * lat_b.to_radians().cos() * half(lon_a, lon_b);
        Some(2.0 * 6_371.0 * chord.clamp(0.0, 1.0).sqrt().asin())
    }

    /// True if the address belongs to a provider of servers: where its owner sits says nothing of
    /// where a person is.
    pub fn is_hosted(&self) -> bool {
        const HOSTS: [&str; 14] = [
            "amazon",
            "google",
            "microsoft",
            "azure",
            "digitalocean",
            "ovh",
            "hetzner",
            "linode",
            "akamai",
            "cloudflare",
            "oracle",
            "alibaba",
            "zscaler",
            "vultr",
        ];
        let name = self.organization.as_deref().unwrap_or_default().to_lowercase();
        HOSTS.iter().any(|host| name.contains(host))
    }

    /// `Berlin, DE`, as far as it is known.
    pub fn text(&self) -> String {
        let parts: Vec<&str> =
            [&self.city, &self.country].into_iter().flatten().map(String::as_str).collect();
        if parts.is_empty() { "an unknown place".to_owned() } else { parts.join(", ") }
    }
}

/// A number, also where it is written as text or with `AS` before it.
fn as_number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim_start_matches("AS").parse().ok());
    number.filter(|number| number.is_finite())
}

/// The network of an address: its autonomous system where that is known, else the block of 2¹⁶ IPv4
/// addresses or the /32 of IPv6, about what one provider has in one place.
pub(crate) fn network(address: IpAddr, place: &Place) -> String {
    match (place.asn, &place.organization, address) {
        (Some(asn), Some(name), _) => format!("AS{asn} {name}"),
        (Some(asn), None, _) => format!("AS{asn}"),
        (None, _, IpAddr::V4(v4)) => {
            let [a, b, ..] = v4.octets();
            format!("{a}.{b}.0.0/16")
        }
        (None, _, IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => network(IpAddr::V4(v4), place),
            None => format!("{:x}:{:x}::/32", v6.segments()[0], v6.segments()[1]),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Place {
        Place { position: Some((latitude, longitude)), ..Place::default() }
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let (berlin, sydney) = (at(52.52, 13.405), at(-33.87, 151.21));
        let distance = berlin.distance_km(&sydney).expect("two positions");
        assert!((distance - 16_090.0).abs() < 50.0, "{distance}");
        assert!(berlin.distance_km(&berlin).expect("two positions") < 1e-6);
        let antipodes = at(0.0, 0.0).distance_km(&at(0.0, 180.0)).expect("two positions");
        assert!((antipodes - 20_015.0).abs() < 5.0, "{antipodes}");
        assert_eq!(berlin.distance_km(&Place::default()), None);
    }

    #[test]
    fn networks_are_blocks_unless_the_system_is_known() {
        let nowhere = Place::default();
        let of = |text: &str| network(text.parse().expect("an address"), &nowhere);
        assert_eq!(of("198.51.100.7"), "198.51.0.0/16");
        assert_eq!(of("2001:db8:7::1"), "2001:db8::/32");
        assert_eq!(of("::ffff:198.51.100.7"), "198.51.0.0/16");
        let known = Place { asn: Some(64_496), organization: Some("Example".to_owned()), ..nowhere };
        assert_eq!(network("198.51.100.7".parse().expect("an address"), &known), "AS64496 Example");
    }

    #[test]
    fn records_of_several_publishers_are_understood() {
        let mut nested = Place::default();
        nested.complete(&serde_json::json!({
            "country": {"iso_code": "DE"}, "city": {"names": {"en": "Berlin"}},
            "location": {"latitude": 52.5, "longitude": 13.4, "accuracy_radius": 20},
        }));
        assert_eq!((nested.text().as_str(), nested.position), ("Berlin, DE", Some((52.5, 13.4))));
        let mut flat = Place::default();
        flat.complete(&serde_json::json!({
            "country": "DE", "city": "Berlin", "lat": "52.5", "lng": "13.4", "asn": "AS64496", "as_name": "E",
        }));
        assert_eq!((flat.asn, flat.position), (Some(64_496), Some((52.5, 13.4))));
    }

    #[test]
    fn what_is_no_database_is_an_error_that_names_it() {
        let error = GeoDb::open([("x.mmdb".to_owned(), b"not one".to_vec())]).expect_err("no database");
        assert!(error.to_string().starts_with("cannot read `x.mmdb`"), "{error}");
    }
}
