//! Java and Node, which the servers run on and which are not installed here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::Error;

/// Keycloak 26 needs this version of Java.
const JAVA: u32 = 17;

/// The wrapper of oidc-provider needs this version of Node.
const NODE: u32 = 20;

pub(crate) const KEYCLOAK: &str = "Keycloak";
pub(crate) const OIDC_PROVIDER: &str = "oidc-provider";

/// Looks for a Java runtime where `kc.sh` does.
pub(crate) fn java() -> Result<(), Error> {
    let program = std::env::var_os("JAVA")
        .or_else(|| std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java").into()))
        .unwrap_or_else(|| "java".into());
    require(
        KEYCLOAK,
        "Java",
        JAVA,
        "install a JDK or JRE, and put it into PATH or set JAVA_HOME",
        version(&program, "-version"),
    )
}

/// Looks for Node in `PATH`.
pub(crate) fn node() -> Result<(), Error> {
    let remedy = "install Node from https://nodejs.org, and put it into PATH";
    require(
        OIDC_PROVIDER,
        "Node",
        NODE,
        remedy,
        version(&"node".into(), "--version"),
    )
}

fn require(
    server: &'static str,
    tool: &str,
    least: u32,
    remedy: &'static str,
    found: Option<u32>,
) -> Result<(), Error> {
    let problem = match found {
        Some(version) if version >= least => return Ok(()),
        Some(version) => format!("{tool} {least} or newer, and {tool} {version} was found"),
        None => format!("{tool} {least} or newer, and none was found"),
    };
    Err(Error::Missing {
        server,
        problem,
        remedy,
    })
}

fn version(program: &OsString, flag: &str) -> Option<u32> {
    let output = Command::new(program).arg(flag).output().ok()?;
    // Java writes its version to stderr.
    let text = [output.stdout, output.stderr].concat();
    output
        .status
        .success()
        .then(|| major(&String::from_utf8_lossy(&text)))?
}

/// The first number that stands at the beginning of a word, quoted or after a `v`.
fn major(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| {
        let word = word.trim_start_matches(['"', 'v']);
        let digits = word.split(|letter: char| !letter.is_ascii_digit()).next()?;
        digits.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_java_and_node_write_them() {
        for (text, expected) in [
            (
                "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime",
                Some(17),
            ),
            ("openjdk version \"25\" 2025-09-16", Some(25)),
            ("java version \"1.8.0_461\"", Some(1)),
            ("v20.20.2\n", Some(20)),
            ("The operation could not be completed", None),
        ] {
            assert_eq!(major(text), expected, "{text}");
        }
    }

    #[test]
    fn a_missing_or_old_tool_is_named_with_what_helps() {
        for (found, expected) in [(None, "none was found"), (Some(11), "Java 11 was found")] {
            let error = require(KEYCLOAK, "Java", JAVA, "install a JDK", found).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("Keycloak needs Java 17"), "{text}");
            assert!(
                text.contains(expected) && text.ends_with("install a JDK"),
                "{text}"
            );
        }
        assert!(require(KEYCLOAK, "Java", JAVA, "", Some(JAVA)).is_ok());
    }
}
