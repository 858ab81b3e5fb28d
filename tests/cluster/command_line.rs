//! What administrators ask of a cluster: the real binary, also as kubectl's plugin, beside a running operator.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use keywright::api::{AccessToken, ClientApplication};
use keywright::rights::{Place, RIGHTS};
use serde_json::{Value, json};

use crate::harness::{EMAIL, Operator, PASSWORD, PATIENCE, World, client_application, entries, eventually};

/// A program that ended.
struct Ended {
    code: Option<i32>,
    out: String,
    complaint: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.complaint))
    }
}

/// An administrator at a terminal.
struct Administrator {
    world: World,
    operator: Operator,
    /// Everything that was shown.
    seen: Mutex<String>,
}

impl Administrator {
    /// With an application and a token that are published.
    async fn new() -> Self {
        let world = World::new("command-line").await;
        let operator = world.operator_with(world.settings().with("--cluster-id", "command-line"));
        world.apply_provider().await;
        world.apply(client_application("payments", json!({}))).await;
        world.apply(access_token("reports", "reports-token")).await;
        world.until_published("payments").await;
        world
            .until::<AccessToken>("reports", ("Ready", "True", "Published"))
            .await;
        Self {
            world,
            operator,
            seen: Mutex::default(),
        }
    }

    async fn keywright(&self, arguments: &[&str]) -> Ended {
        self.ran(env!("CARGO_BIN_EXE_keywright").into(), arguments).await
    }

    async fn doctor(&self) -> Ended {
        self.doctor_with(&[]).await
    }

    async fn doctor_with(&self, flags: &[&str]) -> Ended {
        let world = &self.world;
        let (namespace, watched) = (
            format!("--operator-namespace={}", world.operator_namespace),
            format!("--watch-namespaces={}", world.namespace),
        );
        let mut arguments = vec![
            "doctor",
            "--output=json",
            &namespace,
            &watched,
            "--cluster-identity-providers=false",
            "--cluster-id=command-line",
        ];
        arguments.extend(flags);
        self.keywright(&arguments).await
    }

    async fn ran(&self, program: PathBuf, arguments: &[&str]) -> Ended {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", self.world.kubeconfig())
            .env("PATH", self.world.directory());
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended {
            code: output.status.code(),
            out: text(&output.stdout),
            complaint: text(&output.stderr),
        };
        let mut seen = self.seen.lock().unwrap();
        seen.push_str(&ended.out);
        seen.push_str(&ended.complaint);
        ended
    }

    async fn token(&self) -> String {
        let secret = self.world.secret("reports-token").await.unwrap();
        entries(&secret).remove("access_token").unwrap()
    }

    /// Waits until the doctor finds this wrong, or, without a check, nothing. Returns what it says then.
    async fn until_wrong(&self, check: Option<&str>) -> Vec<Value> {
        let what = format!("the doctor finds wrong: {check:?}");
        eventually(&what, PATIENCE, async || {
            let ended = self.doctor().await;
            let report = ended.json();
            let findings = report["findings"].as_array().unwrap();
            let wrong: Vec<_> = findings
                .iter()
                .filter(|of| of["level"] == "wrong")
                .cloned()
                .collect();
            assert_eq!(ended.code, Some(i32::from(!wrong.is_empty())));
            let as_expected = match check {
                Some(check) => wrong.iter().any(|of| of["check"] == check),
                None => wrong.is_empty(),
            };
            if as_expected {
                Ok(wrong)
            } else {
                Err(format!("{report:#}"))
            }
        })
        .await
    }

    /// Gives the operator's service account its rights, except for these verbs on Secrets.
    async fn grant(&self, except: &[&str]) {
        for (place, namespace) in [
            (Place::WatchedNamespaces, &self.world.namespace),
            (Place::OperatorNamespace, &self.world.operator_namespace),
        ] {
            let rules: Vec<Value> = RIGHTS
                .iter()
                .filter(|right| right.place == place)
                .map(|right| {
                    let verbs = right.verbs.iter().filter(|verb| right.resource != "secrets" || !except.contains(*verb));
                    json!({"apiGroups": [right.api_group], "resources": [right.resource], "verbs": verbs.collect::<Vec<_>>()})
                })
                .filter(|rule| rule["verbs"] != json!([]))
                .collect();
            let account = json!({"kind": "ServiceAccount", "name": "keywright", "namespace": self.world.operator_namespace});
            self.bind("keywright", namespace, &rules, &account).await;
        }
    }

    async fn bind(&self, name: &str, namespace: &str, rules: &[Value], subject: &Value) {
        let metadata = json!({"name": name, "namespace": namespace});
        let api = "rbac.authorization.k8s.io";
        let role =
            json!({"apiVersion": format!("{api}/v1"), "kind": "Role", "metadata": metadata, "rules": rules});
        self.world.apply(role).await;
        self.world
            .apply(json!({
                "apiVersion": format!("{api}/v1"),
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
                "subjects": [subject],
            }))
            .await;
    }
}

fn access_token(name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "AccessToken",
        "metadata": {"name": name},
        "spec": {
            "providerRef": {"kind": "IdentityProvider", "name": "didit"},
            "client": {"clientApplicationRef": {"name": "payments"}},
            "secret": {"name": secret},
        },
    })
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .filter_map(|of| of["name"].as_str())
        .collect()
}

#[tokio::test]
async fn an_administrator_sees_what_is_refreshes_a_token_and_finds_and_mends_what_is_wrong() {
    let mut admin = Administrator::new().await;
    admin.sees_how_everything_stands().await;
    admin.calls_it_through_kubectl().await;
    admin.needs_no_right_to_read_secrets().await;
    admin.reads_the_history_of_a_token().await;
    admin.refreshes_a_token().await;
    admin.mends_rights_and_a_conflict().await;
    admin.learns_that_nobody_leads().await;
    admin.saw_no_secret().await;
}

impl Administrator {
    async fn sees_how_everything_stands(&self) {
        let namespace = self.world.namespace.as_str();
        let status = self.keywright(&["status", "-n", namespace, "-o", "json"]).await;
        let report = status.json();
        assert_eq!(status.code, Some(0), "{report:#}");
        assert_eq!(
            names(&report["credentials"]),
            ["reports", "payments"],
            "what ends first"
        );
        assert_eq!(names(&report["providers"]), ["didit"], "not those of others");
        let reports = &report["credentials"][0];
        assert_eq!(
            (&reports["state"], &reports["secret"]),
            (&json!("Ready"), &json!("reports-token"))
        );
        let token = self
            .world
            .api::<AccessToken>()
            .get("reports")
            .await
            .unwrap()
            .status
            .unwrap()
            .token
            .unwrap();
        assert_eq!(reports["expiresAt"], json!(format!("{:.0}", token.expires_at.0)));

        let table = self.keywright(&["status", "-n", namespace]).await.out;
        assert!(
            table.starts_with("CREDENTIAL ") && table.contains("\nAccessToken/reports "),
            "{table}"
        );
        assert!(
            !table.contains('\u{1b}'),
            "no colour without a terminal: {table:?}"
        );
        let all = self.keywright(&["status", "-A"]).await.out;
        assert!(all.starts_with("NAMESPACE ") && all.contains(namespace), "{all}");
    }

    async fn calls_it_through_kubectl(&self) {
        let plugin = self.world.directory().join("kubectl-keywright");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keywright"), plugin).unwrap();
        let kubectl = self.world.kubectl_program();
        let through = self
            .ran(
                kubectl.clone(),
                &["keywright", "status", "-n", &self.world.namespace],
            )
            .await;
        assert_eq!(through.code, Some(0), "{}", through.complaint);
        assert!(through.out.contains("AccessToken/reports"), "{}", through.out);
        let help = self.ran(kubectl, &["keywright", "--help"]).await.out;
        assert!(help.contains("Usage: kubectl keywright "), "{help}");
    }

    async fn needs_no_right_to_read_secrets(&self) {
        let namespace = self.world.namespace.as_str();
        let rules = [
            json!({"apiGroups": ["keywright.dev"], "resources": ["*"], "verbs": ["get", "list"]}),
            json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["list"]}),
        ];
        let viewer = format!("viewer-of-{namespace}");
        let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": viewer});
        self.bind("viewer", namespace, &rules, &subject).await;
        let arguments = ["status", "-n", namespace, "--as", &viewer];
        // Roles take a moment to become known.
        let status = eventually("the viewer may list", PATIENCE, async || {
            let status = self.keywright(&arguments).await;
            if status.code == Some(0) {
                Ok(status)
            } else {
                Err(status.complaint)
            }
        })
        .await;
        assert_eq!(status.complaint, "", "nothing here uses a shared provider");
        let page = self
            .keywright(&["describe", "atok/reports", "-n", namespace, "--as", &viewer])
            .await;
        assert_eq!(page.code, Some(0), "{}", page.complaint);
        let refused = self
            .keywright(&["refresh", "atok/reports", "-n", namespace, "--as", &viewer])
            .await;
        assert_eq!(refused.code, Some(2));
        assert!(
            refused.complaint.contains("was not changed: "),
            "{}",
            refused.complaint
        );
    }

    async fn reads_the_history_of_a_token(&self) {
        let namespace = self.world.namespace.as_str();
        self.world.until_event("reports", "Published").await;
        let page = self
            .keywright(&["describe", "atok", "reports", "-n", namespace, "-o", "json"])
            .await;
        let report = page.json();
        assert_eq!(page.code, Some(0), "{report:#}");
        assert_eq!(report["provider"]["state"], "Ready");
        assert!(
            report["next"][0]
                .as_str()
                .unwrap()
                .starts_with("The token is refreshed at "),
            "{report:#}"
        );
        let events = report["events"].as_array().unwrap();
        let times: Vec<_> = events
            .iter()
            .map(|event| event["time"].as_str().unwrap())
            .collect();
        assert!(times.is_sorted(), "{report:#}");
        assert!(
            events.iter().any(|event| event["reason"] == "Published"),
            "{report:#}"
        );
        assert!(
            report["conditions"]
                .as_array()
                .unwrap()
                .iter()
                .any(|of| of["type"] == "TokenFresh")
        );

        let page = self.keywright(&["describe", "idp/didit", "-n", namespace]).await;
        assert!(
            page.out.contains(EMAIL) && page.out.contains("\nConditions\n"),
            "{}",
            page.out
        );
        let missing = self.keywright(&["describe", "atok/none", "-n", namespace]).await;
        assert_eq!(missing.code, Some(2));
        assert!(
            missing.complaint.contains("there is no AccessToken/none"),
            "{}",
            missing.complaint
        );
    }

    async fn refreshes_a_token(&self) {
        let namespace = self.world.namespace.as_str();
        let earlier = self.token().await;
        let refreshed = self
            .keywright(&["refresh", "atok/reports", "-n", namespace, "--wait"])
            .await;
        assert_eq!(refreshed.code, Some(0), "{}", refreshed.complaint);
        assert!(
            refreshed.out.contains("has a new token in Secret reports-token"),
            "{}",
            refreshed.out
        );
        assert_ne!(self.token().await, earlier);

        let refused = self
            .keywright(&["refresh", "capp/payments", "-n", namespace])
            .await;
        assert_eq!(refused.code, Some(2));
        assert!(
            refused.complaint.contains("keeps no token"),
            "{}",
            refused.complaint
        );
    }

    async fn mends_rights_and_a_conflict(&self) {
        self.grant(&["patch", "delete"]).await;
        self.world.apply(access_token("other", "didit-account")).await;
        self.world
            .until::<AccessToken>("other", ("SecretSynced", "False", "SecretConflict"))
            .await;
        let wrong = eventually("the roles are known", PATIENCE, async || {
            let wrong = self.until_wrong(Some("rights")).await;
            if wrong.len() == 3 {
                Ok(wrong)
            } else {
                Err(format!("{wrong:#?}"))
            }
        })
        .await;
        let said: Vec<_> = wrong.iter().map(|of| of["message"].as_str().unwrap()).collect();
        let namespace = &self.world.namespace;
        assert!(
            said[0].contains(&format!(
                "may not patch secrets in namespace {namespace}. What for: "
            )),
            "{said:#?}"
        );
        assert!(said[1].contains("may not delete secrets"), "{said:#?}");
        assert!(
            said[2].contains(&format!(
                "AccessToken {namespace}/other: Secret didit-account belongs to"
            )),
            "{said:#?}"
        );
        assert_eq!(
            wrong[0]["mend"],
            json!("add to its Role: apiGroups: [\"\"], resources: [\"secrets\"], verbs: [\"patch\"]")
        );
        let status = self.keywright(&["status", "-n", namespace]).await;
        assert_eq!(status.code, Some(1));
        assert!(status.out.contains("Needs attention (1):"), "{}", status.out);

        self.grant(&[]).await;
        eventually("the installation is as it should be", PATIENCE, async || {
            let installation = self.doctor_with(&["--installation"]).await;
            match installation.code {
                Some(0) => Ok(()),
                _ => Err(installation.out),
            }
        })
        .await;
        let wrong = self.until_wrong(Some("secrets")).await;
        assert_eq!(
            wrong.len(),
            1,
            "the conflict is not the installation's: {wrong:#?}"
        );
        self.world.delete::<AccessToken>("other").await;
        self.until_wrong(None).await;
    }

    async fn learns_that_nobody_leads(&mut self) {
        self.operator.stop().await;
        let wrong = self.until_wrong(Some("lease")).await;
        let said = wrong[0]["message"].as_str().unwrap();
        assert!(said.starts_with("no replica leads since "), "{said}");
    }

    async fn saw_no_secret(&self) {
        let application = self
            .world
            .api::<ClientApplication>()
            .get("payments")
            .await
            .unwrap();
        let secret = self.world.secret(&application.spec.secret.name).await.unwrap();
        let seen = self.seen.lock().unwrap().clone();
        let api_key = entries(&secret).remove("api_key").unwrap();
        for needle in [api_key, self.token().await, PASSWORD.to_owned()] {
            assert!(!seen.contains(&needle), "a secret was shown");
        }
        assert!(
            seen.contains("reports-token"),
            "what was shown was looked through"
        );
    }
}
