//! Runs Helm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::build::built_program;

/// Helm, with a cluster or without, and with nothing of the user's own settings.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
    home: TempDir,
}

/// What a command that failed has said.
#[derive(Debug)]
pub struct Failure(pub String);

/// The chart of this repository.
#[must_use]
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../charts/keywright")
        .canonicalize()
        .unwrap_or_else(|error| panic!("charts/keywright: {error}"))
}

impl Helm {
    /// Builds Helm unless that was done before. `kubeconfig` leads to the cluster that releases are installed in.
    ///
    /// # Panics
    ///
    /// When it cannot be built.
    pub async fn new(kubeconfig: Option<&Path>) -> Self {
        let program = built_program().await;
        Self {
            program: program.unwrap_or_else(|error| panic!("{error}")),
            kubeconfig: kubeconfig.map(Path::to_owned),
            home: tempfile::tempdir().unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// Runs it with these arguments and values, and returns what it prints. Blocks.
    ///
    /// # Errors
    ///
    /// When it ends with another code than 0: what it says.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    pub fn run(&self, arguments: &[&str], values: &Value) -> Result<String, Failure> {
        let output = self.output(arguments, values);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(Failure(text(&output.stdout) + &text(&output.stderr)))
    }

    /// What the chart in `chart` renders for a release `keywright` in `namespace`. Tests of the release are left out.
    ///
    /// # Errors
    ///
    /// What Helm says against the values.
    ///
    /// # Panics
    ///
    /// When Helm cannot be run, or renders what is no YAML.
    pub fn template(&self, chart: &Path, namespace: &str, values: &Value) -> Result<Vec<Value>, Failure> {
        let chart = chart.display().to_string();
        let arguments = [
            "template",
            "keywright",
            &chart,
            "--namespace",
            namespace,
            "--skip-tests",
        ];
        let stream = self.run(&arguments, values)?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&stream).unwrap_or_else(|error| panic!("{error}\n{stream}"));
        Ok(documents
            .into_iter()
            .filter(|document| !document.is_null())
            .collect())
    }

    fn output(&self, arguments: &[&str], values: &Value) -> Output {
        // JSON is YAML.
        let file =
            tempfile::NamedTempFile::new_in(self.home.path()).unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(file.path(), values.to_string()).unwrap_or_else(|error| panic!("{error}"));
        let mut command = Command::new(&self.program);
        command.args(arguments);
        if takes_values(arguments) {
            command.arg("--values").arg(file.path());
        }
        command
            .env_clear()
            .env("HOME", self.home.path())
            .stdin(Stdio::null());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }
}

fn takes_values(arguments: &[&str]) -> bool {
    matches!(
        arguments.first(),
        Some(&("install" | "upgrade" | "template" | "lint"))
    )
}
