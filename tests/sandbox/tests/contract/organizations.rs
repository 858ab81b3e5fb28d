//! Contract, 4.1 and 4.2: who belongs where, who may do what, and how lists look.

use keywright_sandbox::{Foreign, ListOrder, ListShape, NewAccount, Role, Switches};
use serde_json::json;

use crate::support::{Api, EMAIL, PASSWORD, Session};

impl Api {
    async fn names(&self, session: &Session) -> Vec<String> {
        let list = self.get(&session.applications(), &session.token).await;
        let items = list.body.as_array().unwrap();
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn only_owners_and_administrators_manage_applications() {
    for (foreign_organization, foreign) in [(Foreign::NotFound, 404), (Foreign::Forbidden, 403)] {
        let api = Api::with(Switches {
            foreign_organization,
            ..Switches::default()
        })
        .await;
        let shop = Some(vec!["shop".to_owned()]);
        for (name, role) in [
            ("owner", Role::Owner),
            ("admin", Role::Admin),
            ("developer", Role::Developer),
        ] {
            let email = format!("{name}@x.io");
            let account = NewAccount {
                organizations: shop.clone(),
                role,
                ..NewAccount::new(email, PASSWORD)
            };
            api.sandbox.create_account(account).unwrap();
        }
        let owner = api.session_of("owner@x.io", PASSWORD).await;
        let uuid = api.create(&owner, json!({"name": "till"})).await.text("uuid");
        let admin = api.session_of("admin@x.io", PASSWORD).await;
        assert_eq!(admin.organization, owner.organization);
        assert_eq!(api.get(&owner.application(&uuid), &admin.token).await.status, 200);
        let developer = api.session_of("developer@x.io", PASSWORD).await;
        assert_eq!(
            developer.organization, owner.organization,
            "members see the organization"
        );
        let refused = api.get(&owner.applications(), &developer.token).await;
        assert_eq!(refused.status, 403);
        assert_eq!(
            refused.text("detail"),
            "You do not have permission to perform this action."
        );
        assert_eq!(api.create(&developer, json!({})).await.status, 403);

        let stranger = api.login().await;
        assert_eq!(
            api.get(&owner.applications(), &stranger.token).await.status,
            foreign
        );
        let own = stranger.application(&uuid);
        assert_eq!(
            api.get(&own, &stranger.token).await.status,
            404,
            "an application of another organization"
        );
        for id in ["00000000-0000-4000-8000-000000000000", "no-uuid"] {
            let unknown = Session {
                token: stranger.token.clone(),
                organization: id.to_owned(),
            };
            assert_eq!(
                api.get(&unknown.applications(), &unknown.token).await.status,
                foreign
            );
            assert_eq!(
                api.get(&stranger.application(id), &stranger.token).await.status,
                404
            );
        }
    }
}

#[tokio::test]
async fn an_account_may_belong_to_none_or_many_organizations() {
    let api = Api::usual().await;
    for (email, organizations) in [("none@x.io", vec![]), ("many@x.io", vec!["a", "b", "c"])] {
        let names: Vec<_> = organizations.iter().map(|name| (*name).to_owned()).collect();
        let account = NewAccount {
            organizations: Some(names),
            ..NewAccount::new(email, PASSWORD)
        };
        api.sandbox.create_account(account).unwrap();
        let token = api.login_as(email, PASSWORD).await.text("access_token");
        let list = api.get("/auth/v2/organizations/me/", &token).await.body;
        let names: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, organizations);
    }
}

#[tokio::test]
async fn the_list_takes_the_shape_of_its_switches() {
    for (application_list, pointer) in [
        (ListShape::Array, ""),
        (ListShape::Results, "/results"),
        (ListShape::Named, "/applications"),
    ] {
        for list_api_key in [false, true] {
            let switches = Switches {
                application_list,
                organization_list: application_list,
                list_api_key,
                ..Switches::default()
            };
            let api = Api::with(switches).await;
            let token = api.login_as(EMAIL, PASSWORD).await.text("access_token");
            let organizations = api.get("/auth/v2/organizations/me/", &token).await.body;
            let pointer_to_organizations = pointer.replace("applications", "organizations");
            let organization = &organizations.pointer(&pointer_to_organizations).unwrap()[0]["uuid"];
            let organization = organization.as_str().unwrap().to_owned();
            let session = Session { token, organization };
            let list = api.get(&session.applications(), &session.token).await.body;
            let item = list.pointer(pointer).unwrap()[0].clone();
            assert_eq!(item["mode"], "live");
            assert_eq!(item.get("api_key").is_some(), list_api_key);
            assert_eq!(item.get("description"), None);
        }
    }
}

#[tokio::test]
async fn the_list_is_ordered_as_the_switch_says() {
    for (list_order, expected) in [
        (ListOrder::Creation, ["ops", "b", "a"]),
        (ListOrder::Newest, ["a", "b", "ops"]),
        (ListOrder::Name, ["a", "b", "ops"]),
    ] {
        let api = Api::with(Switches {
            list_order,
            ..Switches::default()
        })
        .await;
        let session = api.login().await;
        for name in ["b", "a"] {
            api.create(&session, json!({"name": name})).await;
        }
        assert_eq!(api.names(&session).await, expected, "{list_order:?}");
    }
}
