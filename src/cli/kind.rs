//! The kinds of Keywright as users name them.

use kube::core::{ApiResource, GroupVersionKind};

use crate::api::client_application::ProviderKind;
use crate::api::names::GROUP;

/// The version of every kind here.
const VERSION: &str = "v1alpha1";

/// A kind of Keywright. That of a cluster may be older and not have all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ClientApplication,
    AccessToken,
    IdentityAccount,
    IdentityProvider,
    ClusterIdentityProvider,
}

impl Kind {
    /// Those that write credentials into a Secret.
    pub(super) const CREDENTIALS: [Self; 3] =
        [Self::ClientApplication, Self::AccessToken, Self::IdentityAccount];

    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::ClientApplication,
        Self::AccessToken,
        Self::IdentityAccount,
        Self::IdentityProvider,
        Self::ClusterIdentityProvider,
    ];

    /// The kind's name in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ClientApplication => "ClientApplication",
            Self::AccessToken => "AccessToken",
            Self::IdentityAccount => "IdentityAccount",
            Self::IdentityProvider => "IdentityProvider",
            Self::ClusterIdentityProvider => "ClusterIdentityProvider",
        }
    }

    /// Its resource in the API.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::ClientApplication => "clientapplications",
            Self::AccessToken => "accesstokens",
            Self::IdentityAccount => "identityaccounts",
            Self::IdentityProvider => "identityproviders",
            Self::ClusterIdentityProvider => "clusteridentityproviders",
        }
    }

    /// Its short name.
    fn short_name(self) -> &'static str {
        match self {
            Self::ClientApplication => "capp",
            Self::AccessToken => "atok",
            Self::IdentityAccount => "idacct",
            Self::IdentityProvider => "idp",
            Self::ClusterIdentityProvider => "cidp",
        }
    }

    /// Whether its resources live in namespaces.
    pub(super) fn is_namespaced(self) -> bool {
        self != Self::ClusterIdentityProvider
    }

    /// Whether its resources write credentials into a Secret.
    pub(super) fn has_credential(self) -> bool {
        Self::CREDENTIALS.contains(&self)
    }

    /// How the API server is asked for it.
    pub(super) fn api_resource(self) -> ApiResource {
        let kind = GroupVersionKind::gvk(GROUP, VERSION, self.as_str());
        ApiResource::from_gvk_with_plural(&kind, self.plural())
    }

    fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix(&format!(".{GROUP}")).unwrap_or(&name);
        Self::ALL.into_iter().find(|kind| {
            let singular = kind.as_str().to_ascii_lowercase();
            name == singular || name == kind.plural() || name == kind.short_name()
        })
    }
}

impl From<ProviderKind> for Kind {
    fn from(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::IdentityProvider => Self::IdentityProvider,
            ProviderKind::ClusterIdentityProvider => Self::ClusterIdentityProvider,
        }
    }
}

/// A resource as users name it: `KIND/NAME`, or `KIND NAME`.
pub(super) fn target(words: &[String]) -> Result<(Kind, String), String> {
    let (kind, name) = match words {
        [one] => one.split_once('/').ok_or_else(|| {
            format!("{one:?} names no resource: write KIND/NAME, for example atok/payments")
        })?,
        [kind, name] => (kind.as_str(), name.as_str()),
        _ => return Err("name one resource: KIND/NAME, for example atok/payments".to_owned()),
    };
    let found = Kind::named(kind).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL
            .iter()
            .map(|kind| format!("{} ({})", kind.as_str(), kind.short_name()))
            .collect();
        format!("Keywright has no kind {kind:?}. It has {}", known.join(", "))
    })?;
    if name.is_empty() || name.contains('/') {
        return Err(format!(
            "{name:?} is no name of a resource: write KIND/NAME, for example atok/payments"
        ));
    }
    Ok((found, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use kube::Resource;

    use super::*;
    use crate::api::{AccessToken, ClientApplication, ClusterIdentityProvider, IdentityProvider};

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_resource_is_named_as_with_kubectl() {
        for (text, kind) in [
            ("capp/payments", Kind::ClientApplication),
            ("ClientApplication/payments", Kind::ClientApplication),
            (
                "clientapplications.keywright.dev/payments",
                Kind::ClientApplication,
            ),
            ("atok payments", Kind::AccessToken),
            ("accesstokens payments", Kind::AccessToken),
            ("idacct/payments", Kind::IdentityAccount),
            ("IDP/payments", Kind::IdentityProvider),
            ("cidp payments", Kind::ClusterIdentityProvider),
        ] {
            assert_eq!(target(&words(text)), Ok((kind, "payments".to_owned())), "{text}");
        }
    }

    #[test]
    fn what_names_no_resource_is_refused_with_an_example() {
        for (text, expected) in [
            ("payments", "write KIND/NAME, for example atok/payments"),
            (
                "pod/payments",
                "Keywright has no kind \"pod\". It has ClientApplication (capp)",
            ),
            ("capp/", "\"\" is no name of a resource"),
            ("capp/shop/payments", "\"shop/payments\" is no name of a resource"),
            ("capp payments more", "name one resource"),
        ] {
            let refused = target(&words(text)).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    fn assert_fits<K: Resource<DynamicType = ()>>(kind: Kind) {
        let resource = kind.api_resource();
        assert_eq!(resource.kind, K::kind(&()));
        assert_eq!(resource.plural, K::plural(&()));
        assert_eq!(resource.api_version, K::api_version(&()));
    }

    #[test]
    fn the_names_are_those_of_the_definitions() {
        assert_fits::<ClientApplication>(Kind::ClientApplication);
        assert_fits::<AccessToken>(Kind::AccessToken);
        assert_fits::<IdentityProvider>(Kind::IdentityProvider);
        assert_fits::<ClusterIdentityProvider>(Kind::ClusterIdentityProvider);
        for definition in crate::api::custom_resource_definitions() {
            let names = definition.spec.names;
            let kind = Kind::named(&names.kind).unwrap();
            assert_eq!(names.short_names.unwrap_or_default(), [kind.short_name()]);
            assert_eq!(definition.spec.scope == "Namespaced", kind.is_namespaced());
        }
    }
}
