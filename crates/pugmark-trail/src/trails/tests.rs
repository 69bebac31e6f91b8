use super::*;
use crate::selector::{EventSelector, InsightType};

const ACCOUNT: &str = "111122223333";

fn caller(region: &str) -> Caller {
    Caller { account: ACCOUNT.to_owned(), region: region.to_owned() }
}

fn here() -> Caller {
    caller("eu-west-1")
}

fn request(name: &str) -> CreateTrail {
    CreateTrail {
        name: name.to_owned(),
        s3_bucket_name: "trail-logs-example".to_owned(),
        ..CreateTrail::default()
    }
}

fn with(requests: &[CreateTrail]) -> Trails {
    let mut trails = Trails::new("aws", None);
    for request in requests {
        let trail = trails.create(&here(), request).unwrap();
        trails.apply(Change::Trail(Box::new(trail)));
    }
    trails
}

fn multi(name: &str) -> CreateTrail {
    CreateTrail { is_multi_region_trail: Some(true), ..request(name) }
}

fn kind<T: std::fmt::Debug>(answer: Result<T, TrailError>) -> Kind {
    answer.unwrap_err().kind
}

#[test]
fn a_new_trail_has_the_documented_defaults_and_does_not_log() {
    let trails = with(&[request("main")]);
    let trail = trails.get(&here(), "main").unwrap();
    assert_eq!(
        serde_json::to_value(&trail.config).unwrap(),
        serde_json::json!({
            "Name": "main", "S3BucketName": "trail-logs-example", "IncludeGlobalServiceEvents": true,
            "IsMultiRegionTrail": false, "HomeRegion": "eu-west-1",
            "TrailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main",
            "LogFileValidationEnabled": false, "HasCustomEventSelectors": false,
            "HasInsightSelectors": false, "IsOrganizationTrail": false,
        })
    );
    assert!(!trail.is_logging);
}

#[test]
fn a_name_is_taken_once_and_a_region_shows_five_trails() {
    let trails = with(&[request("one"), request("two"), multi("three"), request("four"), request("five")]);
    assert_eq!(kind(trails.create(&here(), &request("one"))), Kind::TrailAlreadyExists);
    assert_eq!(kind(trails.create(&here(), &request("six"))), Kind::MaximumNumberOfTrailsExceeded);
    // Elsewhere only the trail of all Regions counts.
    assert!(trails.create(&caller("us-east-1"), &request("one")).is_ok());
    assert_eq!(kind(trails.create(&caller("us-east-1"), &request("three"))), Kind::TrailAlreadyExists);
}

#[test]
fn what_cannot_go_together_is_refused() {
    let trails = with(&[]);
    let refused = |request: CreateTrail| kind(trails.create(&here(), &request));
    let group = Some("arn:aws:logs:eu-west-1:111122223333:log-group:trail:*".to_owned());
    let one = CreateTrail { cloud_watch_logs_log_group_arn: group, ..request("main") };
    assert_eq!(refused(one), Kind::InvalidParameterCombination);
    let local = CreateTrail { include_global_service_events: Some(false), ..multi("main") };
    assert_eq!(refused(local), Kind::InvalidParameterCombination);
    let organization = CreateTrail { is_organization_trail: Some(true), ..request("main") };
    assert_eq!(refused(organization), Kind::OrganizationsNotInUse);
    let bucket = CreateTrail { s3_bucket_name: "No".to_owned(), ..request("main") };
    assert_eq!(refused(bucket), Kind::InvalidS3BucketName);
    let prefix = CreateTrail { s3_key_prefix: Some("../x".to_owned()), ..request("main") };
    assert_eq!(refused(prefix), Kind::InvalidS3Prefix);
    let group = CreateTrail { cloud_watch_logs_log_group_arn: Some("x".to_owned()), ..request("main") };
    assert_eq!(refused(group), Kind::InvalidCloudWatchLogsLogGroupArn);
}

#[test]
fn an_unknown_trail_is_named_in_the_words_of_the_service() {
    let error = with(&[]).get(&here(), "main").unwrap_err();
    assert_eq!(error.to_string(), "Unknown trail: main for the user: 111122223333");
    assert_eq!(error.code(), "TrailNotFoundException");
    assert_eq!(kind(with(&[]).get(&here(), "arn:aws:s3:::x").map(|_| ())), Kind::CloudTrailARNInvalid);
}

#[test]
fn a_trail_of_all_regions_shows_everywhere_and_changes_at_home_alone() {
    let trails = with(&[multi("main"), request("local")]);
    let there = caller("us-east-1");
    let names = |shadows| {
        let seen = trails.describe(&there, &[], shadows).unwrap();
        seen.into_iter().map(|trail| trail.config.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(true), ["main"]);
    assert!(names(false).is_empty());
    assert!(trails.get(&there, "local").is_err());
    assert!(trails.get(&there, "arn:aws:cloudtrail:eu-west-1:111122223333:trail/local").is_ok());
    assert_eq!(kind(trails.stop(&there, "main", 0)), Kind::InvalidHomeRegion);
    assert!(trails.describe(&here(), &["unknown".to_owned()], true).unwrap().is_empty());
}

#[test]
fn another_accounts_trail_is_unknown_unless_it_is_the_organizations() {
    let mut trails = Trails::new("aws", Some("o-exampleorg11".to_owned()));
    let own = CreateTrail { is_organization_trail: Some(true), ..multi("all") };
    for request in [own, request("own")] {
        let trail = trails.create(&here(), &request).unwrap();
        trails.apply(Change::Trail(Box::new(trail)));
    }
    let member = Caller { account: "444455556666".to_owned(), region: "eu-west-1".to_owned() };
    assert!(trails.get(&member, "all").is_ok());
    assert_eq!(kind(trails.get(&member, "own").map(|_| ())), Kind::TrailNotFound);
    assert_eq!(kind(trails.stop(&member, "all", 0)), Kind::NotOrganizationMasterAccount);
}

#[test]
fn an_update_changes_what_is_given_and_an_empty_text_takes_away() {
    let mut trails = with(&[CreateTrail { s3_key_prefix: Some("audit/".to_owned()), ..multi("main") }]);
    let update = |trails: &Trails, update: UpdateTrail| {
        trails.update(&here(), &UpdateTrail { name: "main".to_owned(), ..update }).unwrap()
    };
    let topic = UpdateTrail { sns_topic_name: Some("ct".to_owned()), ..UpdateTrail::default() };
    let trail = update(&trails, topic);
    assert_eq!(trail.config.s3_key_prefix.as_deref(), Some("audit"));
    assert_eq!(trail.config.sns_topic_arn.as_deref(), Some("arn:aws:sns:eu-west-1:111122223333:ct"));
    trails.apply(Change::Trail(Box::new(trail)));
    let none = UpdateTrail { sns_topic_name: Some(String::new()), ..UpdateTrail::default() };
    assert_eq!(update(&trails, none).config.sns_topic_arn, None);
    let single = UpdateTrail { is_multi_region_trail: Some(false), ..UpdateTrail::default() };
    assert!(!update(&trails, single).config.include_global_service_events);
}

#[test]
fn to_start_or_stop_twice_is_to_do_it_once() {
    let mut trails = with(&[request("main")]);
    for time in [1, 2] {
        let trail = trails.start(&here(), "main", time).unwrap();
        trails.apply(Change::Trail(Box::new(trail)));
    }
    assert_eq!(trails.get(&here(), "main").unwrap().started, Some(1));
    for time in [3, 4] {
        let trail = trails.stop(&here(), "main", time).unwrap();
        trails.apply(Change::Trail(Box::new(trail)));
    }
    assert_eq!(trails.get(&here(), "main").unwrap().stopped, Some(3));
}

#[test]
fn selectors_and_insights_are_told_in_the_trail() {
    let trails = with(&[request("main")]);
    let reads = EventSelector { include_management_events: false, ..EventSelector::default() };
    let trail = trails.put_selectors(&here(), "main", Selectors::Basic(vec![reads])).unwrap();
    assert!(trail.config.has_custom_event_selectors);
    let empty = trails.put_selectors(&here(), "main", Selectors::Basic(vec![]));
    assert_eq!(kind(empty), Kind::InvalidEventSelectors);
    assert_eq!(kind(trails.insights(&here(), "main").map(|_| ())), Kind::InsightNotEnabled);
    let insight = InsightSelector { insight_type: InsightType::ApiCallRateInsight, event_categories: vec![] };
    assert!(trails.put_insights(&here(), "main", vec![insight]).unwrap().config.has_insight_selectors);
    assert!(!trails.put_insights(&here(), "main", vec![]).unwrap().config.has_insight_selectors);
}

#[test]
fn tags_are_added_overwritten_counted_and_removed() {
    let mut trails = with(&[request("main")]);
    let arn = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: Some(value.to_owned()) };
    let trail = trails.add_tags(&here(), arn, &[tag("a", "1"), tag("b", "2")]).unwrap();
    trails.apply(Change::Trail(Box::new(trail)));
    let trail = trails.add_tags(&here(), arn, &[tag("a", "3")]).unwrap();
    trails.apply(Change::Trail(Box::new(trail)));
    let trail = trails.remove_tags(&here(), arn, &[Tag { key: "b".to_owned(), value: None }]).unwrap();
    trails.apply(Change::Trail(Box::new(trail)));
    assert_eq!(trails.tags(&here(), arn).unwrap(), [tag("a", "3")]);
    let many: Vec<Tag> = (0..50).map(|at| tag(&at.to_string(), "")).collect();
    assert_eq!(kind(trails.add_tags(&here(), arn, &many)), Kind::TagsLimitExceeded);
    assert_eq!(kind(trails.add_tags(&here(), arn, &[tag("", "")])), Kind::InvalidTagParameter);
    assert_eq!(kind(trails.tags(&here(), "main")), Kind::CloudTrailARNInvalid);
    assert_eq!(kind(trails.tags(&here(), &arn.replace("main", "other"))), Kind::ResourceNotFound);
}

#[test]
fn a_policy_belongs_to_what_takes_one() {
    let mut trails = with(&[]);
    let channel = "arn:aws:cloudtrail:eu-west-1:111122223333:channel/0b6f0c52-0000-4000-8000-00000000a001";
    assert_eq!(kind(trails.policy(channel).map(|_| ())), Kind::ResourcePolicyNotFound);
    let change = trails.put_policy(channel, r#"{"Statement":[]}"#).unwrap();
    trails.apply(change);
    assert_eq!(trails.policy(channel), Ok(r#"{"Statement":[]}"#));
    assert_eq!(kind(trails.put_policy(channel, "[]")), Kind::ResourcePolicyNotValid);
    let trail = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";
    assert_eq!(kind(trails.put_policy(trail, "{}")), Kind::ResourceTypeNotSupported);
    let change = trails.delete_policy(channel).unwrap();
    trails.apply(change);
    assert!(trails.policy(channel).is_err());
}

#[test]
fn an_event_configuration_is_held_to_its_limits() {
    let trails = with(&[request("main")]);
    let put = |text: &str| trails.put_configuration(&here(), "main", serde_json::from_str(text).unwrap());
    assert!(
        put(r#"{"MaxEventSize":"Large","ContextKeySelectors":[{"Type":"TagContext","Equals":["team"]}]}"#)
            .is_ok()
    );
    assert!(
        put(r#"{"AggregationConfigurations":[{"EventCategory":"Data","Templates":["API_ACTIVITY"]}]}"#)
            .is_ok()
    );
    for text in [
        r#"{"MaxEventSize":"Huge"}"#,
        r#"{"ContextKeySelectors":[{"Type":"Other","Equals":["team"]}]}"#,
        r#"{"ContextKeySelectors":[{"Type":"TagContext","Equals":[]}]}"#,
        r#"{"AggregationConfigurations":[{"EventCategory":"Management","Templates":["API_ACTIVITY"]}]}"#,
    ] {
        assert_eq!(kind(put(text)), Kind::InvalidParameter, "{text}");
    }
}
