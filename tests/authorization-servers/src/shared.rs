//! The same servers for all tests of a process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use crate::Error;
use crate::servers::Servers;

const PACKAGE: &str = "keywright-authorization-servers";
const PROGRAM: &str = "authorization-servers";

/// Returns the servers that all tests of this process share.
///
/// If the environment names running ones, as under `authorization-servers exec`, it is those. Otherwise the first
/// call starts them, which blocks for some ten seconds, and the first time ever, when they must be installed, for a
/// minute or two; they end with this process however that ends. A server whose Java or Node is missing is left out,
/// which is said on stderr; with `CI=true` that is an error.
///
/// # Errors
///
/// The same error on every call, once it has failed.
pub fn shared() -> Result<&'static Servers, &'static Error> {
    static SHARED: OnceLock<Result<Started, Error>> = OnceLock::new();
    SHARED
        .get_or_init(obtain)
        .as_ref()
        .map(|started| &started.servers)
}

/// What must live as long as this process.
#[derive(Debug)]
struct Started {
    servers: Servers,
    /// The supervisor ends when this process's end closes the pipe.
    _supervisor: Option<(Child, ChildStdin)>,
}

fn obtain() -> Result<Started, Error> {
    match Servers::from_environment()? {
        Some(servers) => Ok(Started {
            servers,
            _supervisor: None,
        }),
        None => supervise(&supervisor_program()?),
    }
}

fn supervise(program: &Path) -> Result<Started, Error> {
    let spawn_error = |source| Error::Spawn {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(["run", "--until-stdin-closes"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(spawn_error)?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Error::Shared("the supervisor has no pipes".to_owned()));
    };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(spawn_error)?;
    let Some(directory) = line.trim_end_matches('\n').strip_prefix("ready ") else {
        let status = child.wait().map_err(spawn_error)?;
        return Err(Error::Shared(format!(
            "{} ended ({status}); see its output above",
            program.display()
        )));
    };
    Ok(Started {
        servers: Servers::open(Path::new(directory))?,
        _supervisor: Some((child, stdin)),
    })
}

/// The program `authorization-servers` from the same build as this one, which is built if it is not there.
fn supervisor_program() -> Result<PathBuf, Error> {
    let test = std::env::current_exe().map_err(Error::file("find", Path::new("the running program")))?;
    match beside(&test) {
        Some(program) => Ok(program),
        None => cargo_build(),
    }
}

/// Cargo puts programs into `target/<profile>`, and tests and examples into directories below it.
fn beside(test: &Path) -> Option<PathBuf> {
    test.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(PROGRAM))
        .find(|program| program.is_file())
}

fn cargo_build() -> Result<PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(&cargo)
        .args(["build", "--package", PACKAGE, "--bin", PROGRAM])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Spawn {
            program: cargo.into(),
            source,
        })?;
    let built = String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(built_program);
    built.filter(|_| output.status.success()).ok_or_else(|| {
        Error::Shared(format!(
            "`cargo build --package {PACKAGE}` failed ({}); see its output above",
            output.status
        ))
    })
}

/// The program's path, if this message of Cargo tells it.
fn built_program(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let name = message.get("target")?.get("name")?;
    let path = message.get("executable")?.as_str()?;
    (name == PROGRAM).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_that_fails_is_an_error() {
        let error = supervise(Path::new("/bin/false")).unwrap_err().to_string();
        assert!(error.contains("/bin/false ended (exit status: 1)"), "{error}");
    }

    #[test]
    fn the_supervisor_lies_beside_or_above_the_test() {
        let target = tempfile::tempdir().unwrap();
        std::fs::create_dir(target.path().join("deps")).unwrap();
        let test = target.path().join("deps/test-0123");
        assert_eq!(beside(&test), None);
        let program = target.path().join(PROGRAM);
        std::fs::write(&program, "").unwrap();
        assert_eq!(beside(&test), Some(program.clone()));
        assert_eq!(beside(&target.path().join("keywright")), Some(program));
    }

    #[test]
    fn cargo_tells_what_it_built() {
        let artifact =
            r#"{"reason":"compiler-artifact","target":{"name":"authorization-servers"},"executable":"/t/a"}"#;
        assert_eq!(built_program(artifact), Some("/t/a".into()));
        let library =
            r#"{"reason":"compiler-artifact","target":{"name":"authorization-servers"},"executable":null}"#;
        for message in [library, r#"{"reason":"build-finished","success":true}"#, "text"] {
            assert_eq!(built_program(message), None, "{message}");
        }
    }
}
