use futures::future::join_all;
use keywright_sandbox::{
    ApplicationEdit, Creation, FaultRule, KeyState, ListShape, Operation, Switches, WrongKey,
};

use super::*;

#[tokio::test]
async fn an_application_is_made_found_read_and_changed() {
    let world = World::new().await;
    let didit = world.connect();
    let account = didit.verify().await.unwrap();
    assert_eq!(
        (account.account.as_str(), account.organization.name.as_str()),
        (EMAIL, "ops")
    );

    let wanted = ApplicationMetadata {
        name: Some("payments-prod".to_owned()),
        website_url: Some("https://pay.corp.example.net".to_owned()),
        redirect_uris: Some(vec!["https://pay.corp.example.net/done".to_owned()]),
        terms_url: None,
        privacy_url: Some("https://pay.corp.example.net/privacy".to_owned()),
        description: Some("Checkout".to_owned()),
        data_location: Some("eu".to_owned()),
    };
    let made = didit.create_application(&wanted).await.unwrap();
    assert_eq!(made.metadata, wanted);
    assert_eq!(
        world.sandbox.api_key(made.id.parse().unwrap()).as_deref(),
        Some(made.api_key.expose_secret())
    );

    let list = didit.list_applications().await.unwrap();
    assert_eq!(
        list.iter()
            .map(|summary| summary.name.as_str())
            .collect::<Vec<_>>(),
        ["ops", "payments-prod"]
    );
    assert_eq!(list[1].id, made.id);

    let change = ApplicationMetadata {
        redirect_uris: Some(Vec::new()),
        terms_url: Some("https://pay.corp.example.net/terms".to_owned()),
        ..ApplicationMetadata::default()
    };
    let changed = didit.update_application(&made.id, &change).await.unwrap();
    let expected = ApplicationMetadata {
        redirect_uris: Some(Vec::new()),
        terms_url: change.terms_url.clone(),
        ..wanted
    };
    assert_eq!(changed.metadata, expected);
    let read = didit.read_application(&made.id.to_uppercase()).await.unwrap();
    assert_eq!(read.metadata, expected);
    assert_eq!(read.client_id, made.client_id);
    assert_eq!(read.api_key.expose_secret(), made.api_key.expose_secret());

    assert_eq!(
        didit.probe_key(&read.api_key).await.unwrap(),
        KeyVerdict::Accepted
    );
    assert_eq!(world.sandbox.count(Operation::Login), 1);
    assert_eq!(world.sandbox.count(Operation::ListOrganizations), 1);
    assert!(world.sandbox.calls().iter().all(|call| call.path.ends_with('/')));
    assert_eq!(didit.workload_endpoint(), world.sandbox.api_url());
}

#[tokio::test]
async fn the_open_questions_of_the_contract_make_no_difference() {
    let world = World::new().await;
    for switches in [
        Switches {
            creation_status: Creation::Ok,
            list_api_key: true,
            ..Switches::default()
        },
        Switches {
            application_list: ListShape::Results,
            ..Switches::default()
        },
        Switches {
            organization_list: ListShape::Results,
            products: true,
            ..Switches::default()
        },
    ] {
        world.sandbox.set_switches(switches);
        let didit = world.connect();
        let made = didit.create_application(&named("a")).await.unwrap();
        assert_eq!(
            didit.list_applications().await.unwrap().last().unwrap().id,
            made.id
        );
    }
}

#[tokio::test]
async fn fifty_callers_log_in_once() {
    let world = World::new().await;
    let didit = world.connect();
    let lists = join_all((0..50).map(|_| didit.list_applications())).await;
    assert!(lists.into_iter().all(|list| list.unwrap().len() == 1));
    assert_eq!(world.sandbox.count(Operation::Login), 1);
}

#[tokio::test]
async fn organizations_are_chosen_by_name_and_refused_when_ambiguous() {
    let mut account = NewAccount::new(EMAIL, PASSWORD);
    account.organizations = Some(vec!["ops".to_owned(), "shop".to_owned()]);
    let world = World::with_account(account).await;
    let error = world.connect().create_application(&named("a")).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Misconfigured {
            reason: "OrganizationAmbiguous"
        }
    );
    assert_eq!(world.sandbox.count(Operation::CreateApplication), 0);

    let by_name = DiditConfig {
        organization: OrganizationChoice::Name("shop".to_owned()),
        ..world.config()
    };
    let account = connect(by_name).verify().await.unwrap();
    assert_eq!(account.organization.name, "shop");
    let by_id = DiditConfig {
        organization: OrganizationChoice::Id(account.organization.id.clone()),
        ..world.config()
    };
    assert_eq!(connect(by_id).verify().await.unwrap(), account);
}

#[tokio::test]
async fn what_is_not_an_id_is_never_made_part_of_a_path() {
    let world = World::new().await;
    let didit = world.connect();
    let long = "a".repeat(65);
    for id in ["", ".", "..", "a/b", "a b", "é", "a?b", &long] {
        let read = didit.read_application(id).await.unwrap_err();
        let update = didit.update_application(id, &named("a")).await.unwrap_err();
        for error in [read, update] {
            assert_eq!(
                error.kind,
                ErrorKind::Misconfigured {
                    reason: "InvalidApplicationId"
                }
            );
            assert_eq!(
                error.message,
                format!(
                    "`{id}` is not an application id: Didit's are UUIDs, and its console shows them in the \
                     application's settings"
                )
            );
        }
    }
    assert!(world.sandbox.calls().is_empty());
}

#[tokio::test]
async fn only_a_uuid_is_taken_for_an_id_that_a_user_has_typed() {
    let world = World::new().await;
    let didit = world.connect();
    let right = "7c1f3a52-0f2d-4f0b-8f57-0e6a4a3b9c02";
    didit.check_application_id(right).unwrap();
    didit.check_application_id(&right.to_uppercase()).unwrap();
    for wrong in [
        "",
        "my-shop",
        &right.replace('-', ""),
        &format!("{right}0"),
        &right.replace('7', "g"),
    ] {
        let error = didit.check_application_id(wrong).unwrap_err();
        assert!(error.message.contains("Didit's are UUIDs"), "{error}");
    }
    assert!(world.sandbox.calls().is_empty());
}

#[tokio::test]
async fn a_key_is_judged_by_401_and_403_only() {
    let world = World::new().await;
    let didit = world.connect();
    let made = didit.create_application(&named("a")).await.unwrap();
    let refused = |verdict| matches!(verdict, Ok(KeyVerdict::Refused { .. }));
    for wrong_key in [WrongKey::Newest, WrongKey::Older] {
        world.sandbox.set_switches(Switches {
            wrong_key,
            ..Switches::default()
        });
        assert!(refused(didit.probe_key(&"sk_live_wrong".into()).await));
    }
    let expired = ApplicationEdit {
        key_state: Some(KeyState::Expired),
        ..ApplicationEdit::default()
    };
    world
        .sandbox
        .edit_application(made.id.parse().unwrap(), expired)
        .unwrap();
    assert_eq!(
        didit.probe_key(&made.api_key).await.unwrap(),
        KeyVerdict::Refused {
            message: format!(
                "{} answered 401 Unauthorized: This API key has expired",
                world.host()
            )
        }
    );
    for (code, kind) in [
        (402, ErrorKind::Rejected),
        (429, ErrorKind::Throttled { retry_after: None }),
        (500, ErrorKind::Unavailable),
    ] {
        world
            .sandbox
            .inject(FaultRule::new(Operation::GetBalance, status(code)))
            .unwrap();
        assert_eq!(didit.probe_key(&made.api_key).await.unwrap_err().kind, kind);
    }
}
