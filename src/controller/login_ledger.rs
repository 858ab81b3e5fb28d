//! Keeps the history of an account's logins in the status of a resource that logs in, so that a restart does not
//! release the brake.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::conditions::whole_seconds;
use crate::api::provider::{BrakeStatus, LoginStatus};
use crate::identity::BrakeReason;
use crate::identity::session::{Brake, LoginLedger, LoginRecord};
use crate::kube_ext::apply;

/// Field manager of `status.login` alone, so that it is not removed when the rest of the status is written.
const MANAGER: &str = "keywright-login";

/// Writes to `status.login` of one resource.
pub(super) struct StatusLedger<K> {
    api: Api<K>,
    resource: Arc<K>,
    credentials_version: String,
}

impl<K> StatusLedger<K> {
    /// `credentials_version` is that of the resource's own Secret: several Secrets may hold the same account.
    pub(super) fn new(api: Api<K>, resource: Arc<K>, credentials_version: String) -> Self {
        Self {
            api,
            resource,
            credentials_version,
        }
    }
}

#[async_trait]
impl<K> LoginLedger for StatusLedger<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    async fn record(&self, record: &LoginRecord) -> Result<(), String> {
        let login = LoginStatus {
            credentials_version: self.credentials_version.clone(),
            ..status_of(record)
        };
        let status = json!({ "login": login });
        apply::status(&self.api, self.resource.as_ref(), MANAGER, &status)
            .await
            .map(drop)
            .map_err(|error| format!("writing status.login of {} failed: {error}", K::kind(&())))
    }
}

/// The record as it stands in the status.
pub(super) fn record_of(status: &LoginStatus) -> LoginRecord {
    LoginRecord {
        credentials_version: status.credentials_version.clone(),
        verified: status.verified,
        unanswered: status.unanswered,
        refusals: status.refusals,
        throttled: status.throttled,
        brake: status.brake.as_ref().map(|brake| Brake {
            reason: reason_of(&brake.reason),
            until: brake.until.0,
            message: brake.message.clone(),
        }),
    }
}

fn status_of(record: &LoginRecord) -> LoginStatus {
    LoginStatus {
        credentials_version: record.credentials_version.clone(),
        verified: record.verified,
        unanswered: record.unanswered,
        refusals: record.refusals,
        throttled: record.throttled,
        brake: record.brake.as_ref().map(|brake| BrakeStatus {
            reason: brake.reason.as_str().to_owned(),
            until: Time(whole_seconds(brake.until)),
            message: brake.message.clone(),
        }),
    }
}

fn reason_of(reason: &str) -> BrakeReason {
    match reason {
        "SecondFactorRequired" => BrakeReason::SecondFactorRequired,
        "LoginUnanswered" => BrakeReason::LoginUnanswered,
        "LoginThrottled" => BrakeReason::LoginThrottled,
        // A reason that another version wrote still means that the credentials are not to be tried.
        _ => BrakeReason::LoginRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    #[test]
    fn a_brake_survives_being_written_and_read() {
        for reason in [
            BrakeReason::LoginRefused,
            BrakeReason::SecondFactorRequired,
            BrakeReason::LoginUnanswered,
            BrakeReason::LoginThrottled,
        ] {
            let record = LoginRecord {
                credentials_version: "uid/7".into(),
                verified: false,
                unanswered: 1,
                refusals: 2,
                throttled: 3,
                brake: Some(Brake {
                    reason,
                    until: Timestamp::from_second(1_800_000_000).unwrap(),
                    message: "no".into(),
                }),
            };
            assert_eq!(record_of(&status_of(&record)), record);
        }
    }
}
