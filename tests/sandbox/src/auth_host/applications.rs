//! Applications (contract, 4.2 to 4.6).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use uuid::Uuid;

use super::caller;
use super::organizations::{managed, wrapped};
use crate::body::{JsonBody, any_text, text, web_address};
use crate::config::{ApplicationDelete, Creation};
use crate::reply::{FieldErrors, Reply};
use crate::shared::Shared;
use crate::state::{ApplicationInput, Context, Mode, World};

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(organization): Path<String>,
    headers: HeaderMap,
) -> Result<Reply, Reply> {
    shared.read(|world, context| {
        let organization = managed(&headers, &organization, world, context)?;
        let applications = world.applications_of(organization, context.switches.list_order);
        let views = applications
            .into_iter()
            .map(|application| application.summary(context))
            .collect();
        Ok(Reply::ok(wrapped(
            views,
            context.switches.application_list,
            "applications",
        )))
    })
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Path(organization): Path<String>,
    headers: HeaderMap,
    body: Result<JsonBody, Reply>,
) -> Result<Reply, Reply> {
    shared.change(|world, context| {
        let organization = managed(&headers, &organization, world, context)?;
        let body = body?;
        let mut errors = FieldErrors::default();
        let mut input = metadata(&body, &mut errors, context);
        let locations: Vec<_> = context
            .switches
            .data_locations
            .iter()
            .map(String::as_str)
            .collect();
        input.data_location = body.choice("data_location", &locations, &mut errors);
        errors.check()?;
        check_name(world, organization, None, input.name.as_deref(), context)?;
        check_room(world, organization, context)?;
        let uuid = world.add_application(organization, input.clone(), Mode::Live, context);
        if context.switches.sandbox_sibling {
            // Sandbox data is in the EU whatever the application says (contract, 4.6).
            let input = ApplicationInput {
                data_location: Some("eu".to_owned()),
                ..input
            };
            world.add_application(organization, input, Mode::Sandbox, context);
        }
        let status = match context.switches.creation_status {
            Creation::Created => StatusCode::CREATED,
            Creation::Ok => StatusCode::OK,
        };
        let application = world.applications.get(&uuid).ok_or_else(Reply::not_found)?;
        Ok(Reply::json(status, application.view(context)))
    })?
}

pub(super) async fn read(
    State(shared): State<Arc<Shared>>,
    Path((organization, application)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Reply, Reply> {
    shared.read(|world, context| {
        let organization = managed(&headers, &organization, world, context)?;
        let uuid = existing(world, organization, &application)?;
        let application = world.applications.get(&uuid).ok_or_else(Reply::not_found)?;
        Ok(Reply::ok(application.view(context)))
    })
}

pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    Path((organization, application)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<JsonBody, Reply>,
) -> Result<Reply, Reply> {
    shared.change(|world, context| {
        let organization = managed(&headers, &organization, world, context)?;
        let uuid = existing(world, organization, &application)?;
        let mut errors = FieldErrors::default();
        let input = metadata(&body?, &mut errors, context);
        errors.check()?;
        check_name(world, organization, Some(uuid), input.name.as_deref(), context)?;
        let application = world.applications.get_mut(&uuid).ok_or_else(Reply::not_found)?;
        application.update(input);
        Ok(Reply::ok(application.view(context)))
    })?
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((organization, application)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Reply, Reply> {
    shared.change(|world, context| {
        if context.switches.application_delete == ApplicationDelete::Refused {
            // The framework looks at the credentials before it looks at the method.
            caller(&headers, world, context)?;
            return Err(Reply::method_not_allowed(&Method::DELETE).allowing("GET, PATCH, HEAD, OPTIONS"));
        }
        let organization = managed(&headers, &organization, world, context)?;
        let uuid = existing(world, organization, &application)?;
        world.remove_application(uuid);
        Ok(Reply::no_content())
    })?
}

fn existing(world: &World, organization: Uuid, application: &str) -> Result<Uuid, Reply> {
    Uuid::try_parse(application)
        .ok()
        .filter(|uuid| {
            world
                .applications
                .get(uuid)
                .is_some_and(|found| found.organization == organization)
        })
        .ok_or_else(Reply::not_found)
}

/// What creation and update have in common.
fn metadata(body: &JsonBody, errors: &mut FieldErrors, context: &Context) -> ApplicationInput {
    let name = body.optional("name", errors);
    let most = context.bounds.name_length;
    if name.as_ref().is_some_and(|name| name.chars().count() > most) {
        errors.add(
            "name",
            format!("Ensure this field has no more than {most} characters."),
        );
    }
    ApplicationInput {
        name,
        website_url: body.nullable("website_url", errors, web_address),
        redirect_uris: body.list("redirect_uris", errors, text),
        terms_url: body.nullable("terms_url", errors, web_address),
        privacy_url: body.nullable("privacy_url", errors, web_address),
        description: body.nullable("description", errors, any_text),
        data_location: None,
    }
}

fn check_name(
    world: &World,
    organization: Uuid,
    except: Option<Uuid>,
    name: Option<&str>,
    context: &Context,
) -> Result<(), Reply> {
    if !context.switches.unique_names {
        return Ok(());
    }
    let mut others = world
        .applications
        .values()
        .filter(|other| Some(other.uuid) != except);
    if others.any(|other| other.organization == organization && Some(other.name.as_str()) == name) {
        return Err(Reply::field(
            "name",
            "An application with this name already exists.",
        ));
    }
    Ok(())
}

fn check_room(world: &World, organization: Uuid, context: &Context) -> Result<(), Reply> {
    let Some(most) = context.bounds.max_applications else {
        return Ok(());
    };
    let existing = world
        .applications
        .values()
        .filter(|found| found.organization == organization)
        .count();
    if existing < most {
        return Ok(());
    }
    Err(Reply::bad_request(format!(
        "An organization can have no more than {most} applications."
    )))
}
