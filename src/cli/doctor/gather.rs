//! Reads what the checks look at.

use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::BodyExt;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::version::Info;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::client::Body;
use kube::{Api, Client, ResourceExt};

use super::clock::Clock;
use super::facts::{
    Answer, Definition, Deployment, Facts, Known, Question, Resources, Rights, Server, Whose,
};
use super::rights::{questions, user};
use crate::api::custom_resource_definitions;
use crate::cli::Failure;
use crate::cli::connection::{Connection, Listed, said};
use crate::cli::kind::Kind;

/// Questions about rights that are asked at a time.
const AT_A_TIME: usize = 8;

/// Reads everything, with or without the resources. What cannot be read is a fact too, except that nobody answers.
pub(super) async fn facts(
    connection: &Connection,
    deployment: &Deployment,
    with_resources: bool,
) -> Result<Facts, Failure> {
    let server = server(connection).await?;
    let client = &connection.client;
    let resources = async {
        if with_resources {
            Some(resources(connection, deployment).await)
        } else {
            None
        }
    };
    let (definitions, rights, lease, resources) = futures::join!(
        definitions(client),
        rights(client, deployment),
        lease(client, deployment),
        resources,
    );
    Ok(Facts {
        now: Timestamp::now(),
        server,
        definitions,
        rights,
        lease,
        resources,
    })
}

async fn server(connection: &Connection) -> Result<Server, Failure> {
    let failed = |why: String| format!("the API server {} does not answer: {why}", connection.server);
    let request = http::Request::get("/version")
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let sent = Timestamp::now();
    let answer = connection
        .client
        .send(request)
        .await
        .map_err(|error| failed(said(&error)))?;
    let received = Timestamp::now();
    let date = answer
        .headers()
        .get(http::header::DATE)
        .and_then(|date| date.to_str().ok());
    let date = date
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .and_then(|date| Timestamp::try_from(date).ok());
    let status = answer.status();
    let body = answer
        .into_body()
        .collect()
        .await
        .map_err(|error| failed(error.to_string()))?
        .to_bytes();
    let version = match serde_json::from_slice::<Info>(&body) {
        Ok(info) if status.is_success() => format!("Kubernetes {}", info.git_version),
        // Who may not ask for the version may still ask for the rest.
        _ => format!("Kubernetes (its version is not told: {status})"),
    };
    Ok(Server {
        address: connection.server.clone(),
        version,
        clock: date.map(|date| Clock::new(date, sent, received)),
    })
}

async fn definitions(client: &Client) -> Vec<Definition> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let all = custom_resource_definitions().into_iter().map(|wanted| async {
        let found = match api.get_opt(&wanted.name_any()).await {
            Ok(found) => Known::Yes(found),
            Err(error) => Known::No(said(&error)),
        };
        Definition { wanted, found }
    });
    futures::future::join_all(all).await
}

async fn lease(client: &Client, deployment: &Deployment) -> Known<Option<Lease>> {
    let Some(name) = &deployment.lease else {
        return Known::Yes(None);
    };
    let api: Api<Lease> = Api::namespaced(client.clone(), &deployment.namespace);
    match api.get_opt(name).await {
        Ok(lease) => Known::Yes(lease),
        Err(error) => Known::No(said(&error)),
    }
}

async fn resources(connection: &Connection, deployment: &Deployment) -> Resources {
    let namespaces: Vec<Option<&str>> = match deployment.watch_namespaces.as_slice() {
        [] => vec![None],
        named => named.iter().map(|name| Some(name.as_str())).collect(),
    };
    let (mut records, mut not_listed) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        if kind == Kind::ClusterIdentityProvider && !deployment.cluster_identity_providers {
            continue;
        }
        let places = if kind.is_namespaced() {
            namespaces.as_slice()
        } else {
            &[None]
        };
        for namespace in places {
            match connection.list(kind, *namespace).await {
                Ok(Listed::Records(found)) => records.extend(found),
                // The check of the definitions says so.
                Ok(Listed::NotInstalled) => {}
                Ok(Listed::Forbidden(why)) | Err(why) => not_listed.push((kind, why)),
            }
        }
    }
    Resources { records, not_listed }
}

async fn rights(client: &Client, deployment: &Deployment) -> Rights {
    let me = myself(client).await;
    let user = user(deployment, me.as_deref());
    let of_myself = deployment.whose_rights == Whose::Own || me.as_ref() == Some(&user);
    let asked = stream::iter(questions(deployment)).map(|question| {
        let user = user.as_str();
        async move {
            let status = if of_myself {
                ask_of_myself(client, &question).await?
            } else {
                ask(client, user, &deployment.namespace, &question).await?
            };
            Ok(Answer {
                allowed: status.allowed,
                question,
            })
        }
    });
    let answers: kube::Result<Vec<Answer>> = asked.buffered(AT_A_TIME).try_collect().await;
    Rights {
        answers: answers.map_or_else(|error| Known::No(said(&error)), Known::Yes),
        user,
    }
}

/// Who the API server takes this user for. Everybody may ask that.
async fn myself(client: &Client) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .ok()?;
    review.status?.user_info?.username
}

async fn ask(
    client: &Client,
    user: &str,
    namespace: &str,
    question: &Question,
) -> kube::Result<SubjectAccessReviewStatus> {
    let groups = ["system:authenticated", "system:serviceaccounts"].map(str::to_owned);
    let of_namespace = format!("system:serviceaccounts:{namespace}");
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(groups.into_iter().chain([of_namespace]).collect()),
            resource_attributes: Some(attributes(question)),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    Ok(api
        .create(&PostParams::default(), &review)
        .await?
        .status
        .unwrap_or_default())
}

async fn ask_of_myself(client: &Client, question: &Question) -> kube::Result<SubjectAccessReviewStatus> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes(question)),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    Ok(api
        .create(&PostParams::default(), &review)
        .await?
        .status
        .unwrap_or_default())
}

fn attributes(question: &Question) -> ResourceAttributes {
    ResourceAttributes {
        group: Some(question.right.api_group.to_owned()),
        resource: Some(question.right.plural().to_owned()),
        subresource: question.right.subresource().map(str::to_owned),
        verb: Some(question.verb.to_owned()),
        namespace: question.namespace.clone(),
        name: question.name.clone(),
        ..ResourceAttributes::default()
    }
}
