//! Calls to the identity API that are more than one request, or that end at a time of their own.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::state::{Candidates, Search};
use crate::identity::mark::{self, Mark};
use crate::identity::{
    Application, ApplicationMetadata, ApplicationSummary, CallError, ErrorKind, IdentityApi,
};

/// Looks for the application that was made for this resource. A list may lack descriptions; then the records
/// of the candidates are read.
pub(super) async fn find_marked(
    api: &dyn IdentityApi,
    wanted: &Mark,
    candidates: &Candidates,
) -> Result<Search, CallError> {
    let mut predecessor = None;
    for summary in api.list_applications().await? {
        let Some(found) = mark_of(api, &summary, candidates).await? else {
            continue;
        };
        if found.cluster == wanted.cluster && found.uid == wanted.uid {
            return Ok(Search::Mine(summary.id));
        }
        if found.same_place(wanted) {
            predecessor.get_or_insert(summary.id);
        }
    }
    Ok(predecessor.map_or(Search::Nothing, Search::Predecessor))
}

async fn mark_of(
    api: &dyn IdentityApi,
    summary: &ApplicationSummary,
    candidates: &Candidates,
) -> Result<Option<Mark>, CallError> {
    if let Some(description) = &summary.description {
        return Ok(mark::find(description));
    }
    if let Candidates::Named(name) = candidates
        && summary.name.trim().to_lowercase() != name.trim().to_lowercase()
    {
        return Ok(None);
    }
    let record = absent_as_none(api.read_application(&summary.id).await)?;
    Ok(record
        .and_then(|record| record.metadata.description)
        .as_deref()
        .and_then(mark::find))
}

/// Makes the application, or gives up at the deadline: a new login on the way must not stretch the time in which
/// the request may be sent.
pub(super) async fn create(
    api: &dyn IdentityApi,
    metadata: &ApplicationMetadata,
    deadline: Timestamp,
) -> Result<Application, CallError> {
    let remaining = Duration::try_from(deadline.duration_since(Timestamp::now())).unwrap_or_default();
    match tokio::time::timeout(remaining, api.create_application(metadata)).await {
        Ok(made) => made,
        Err(_) => Err(CallError {
            operation: "createApplication",
            kind: ErrorKind::Unknown,
            message:
                "the call was cut off because its time was over; whether the request took effect is not known"
                    .to_owned(),
        }),
    }
}

/// A thing that does not exist is an answer, not an error.
pub(super) fn absent_as_none<T>(outcome: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use k8s_openapi::jiff::SignedDuration;
    use secrecy::SecretString;

    use super::*;
    use crate::identity::{Capabilities, KeyVerdict, VerifiedAccount};

    /// Its list carries no descriptions, and it never answers a creation.
    struct Fake {
        applications: Vec<(&'static str, Mark)>,
    }

    #[async_trait]
    impl IdentityApi for Fake {
        fn capabilities(&self) -> Capabilities {
            Capabilities {
                read_api_key: true,
                rotate_api_key: false,
                delete_application: false,
            }
        }

        fn workload_endpoint(&self) -> &'static str {
            "https://api.example/v3"
        }

        fn check_application_id(&self, _id: &str) -> Result<(), CallError> {
            Ok(())
        }

        async fn verify(&self) -> Result<VerifiedAccount, CallError> {
            std::future::pending().await
        }

        async fn list_applications(&self) -> Result<Vec<ApplicationSummary>, CallError> {
            let names = self.applications.iter().enumerate();
            Ok(names
                .map(|(number, (name, _))| ApplicationSummary {
                    id: number.to_string(),
                    name: (*name).to_owned(),
                    description: None,
                })
                .collect())
        }

        async fn read_application(&self, id: &str) -> Result<Application, CallError> {
            let (name, mark) = &self.applications[id.parse::<usize>().unwrap()];
            Ok(Application {
                id: id.to_owned(),
                client_id: "client".to_owned(),
                api_key: "key".to_owned().into(),
                metadata: ApplicationMetadata {
                    name: Some((*name).to_owned()),
                    description: Some(mark.to_string()),
                    ..ApplicationMetadata::default()
                },
            })
        }

        async fn create_application(&self, _: &ApplicationMetadata) -> Result<Application, CallError> {
            std::future::pending().await
        }

        async fn update_application(
            &self,
            _: &str,
            _: &ApplicationMetadata,
        ) -> Result<Application, CallError> {
            std::future::pending().await
        }

        async fn probe_key(&self, _: &SecretString) -> Result<KeyVerdict, CallError> {
            std::future::pending().await
        }
    }

    fn mark(uid: &str) -> Mark {
        Mark {
            cluster: "cluster-1".into(),
            namespace: "shop".into(),
            name: "payments".into(),
            uid: uid.into(),
        }
    }

    #[tokio::test]
    async fn a_lost_application_is_found_by_its_mark_whatever_its_name_is() {
        let named = Candidates::Named("Payments".into());
        let mine = || Search::Mine("1".into());
        for (name, candidates, found) in [
            ("Payments", &named, mine()),
            (" payments", &named, mine()),
            ("Checkout", &named, Search::Nothing),
            ("Checkout", &Candidates::All, mine()),
        ] {
            let other = Mark {
                name: "other".into(),
                ..mark("uid-2")
            };
            let api = Fake {
                applications: vec![("Payments", other), (name, mark("uid-1"))],
            };
            let searched = find_marked(&api, &mark("uid-1"), candidates).await.unwrap();
            assert_eq!(searched, found, "{name:?} among {candidates:?}");
        }
    }

    #[tokio::test]
    async fn an_application_of_an_earlier_resource_is_told_from_a_lost_one() {
        let api = Fake {
            applications: vec![("a", mark("uid-0")), ("b", mark("uid-1"))],
        };
        let search = async |uid| find_marked(&api, &mark(uid), &Candidates::All).await.unwrap();
        assert_eq!(search("uid-1").await, Search::Mine("1".into()));
        assert_eq!(search("uid-2").await, Search::Predecessor("0".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_creation_is_cut_off_at_its_deadline_and_its_outcome_is_unknown() {
        let api = Fake {
            applications: Vec::new(),
        };
        for seconds in [-5, 30] {
            let deadline = Timestamp::now() + SignedDuration::from_secs(seconds);
            let error = create(&api, &ApplicationMetadata::default(), deadline)
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unknown);
        }
    }
}
