//! Runs `go build` and tells how far it is.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStderr, Command};

use crate::Error;
use crate::go_module::GoModule;
use crate::progress::say_of;

/// The oldest Go that compiles the pinned modules: what their go.mod states.
const OLDEST_GO: (u64, u64) = (1, 26);

const REPORT_INTERVAL: Duration = Duration::from_secs(20);

/// Of what `go build` says besides its progress, this many lines are kept for an error.
const KEPT_LINES: usize = 40;

/// Compiles the module in `sources` into the file `program`.
pub(crate) async fn compile(
    module: &GoModule,
    sources: &Path,
    temporary: &Path,
    program: &Path,
) -> Result<(), Error> {
    check_go(module).await?;
    say_of(module.name, &module.announcement);
    let begun = Instant::now();
    let mut child = go_build(&module.linker_flags, sources, temporary, program)
        .spawn()
        .map_err(|source| Error::Spawn {
            program: "go".into(),
            source,
        })?;
    let mut progress = Progress::default();
    if let Some(stderr) = child.stderr.take() {
        follow(module, &mut progress, BufReader::new(stderr).lines(), begun).await;
    }
    let status = child.wait().await.map_err(|source| Error::Spawn {
        program: "go".into(),
        source,
    })?;
    if !status.success() {
        return Err(Error::Build {
            status,
            output: progress.output(),
        });
    }
    say_of(
        module.name,
        format_args!("built in {} s", begun.elapsed().as_secs()),
    );
    Ok(())
}

fn go() -> Command {
    let mut command = Command::new("go");
    // The build must not depend on the user's settings: no other toolchain is fetched, no workspace joins in,
    // and the result is for this machine.
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    for variable in ["GOOS", "GOARCH", "GOFLAGS"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn check_go(module: &GoModule) -> Result<(), Error> {
    let output = go()
        .args(["env", "GOVERSION"])
        .output()
        .await
        .map_err(|error| Error::Go {
            name: module.name,
            remedy: module.remedy,
            problem: match error.kind() {
                std::io::ErrorKind::NotFound => "Go is not in PATH".to_owned(),
                _ => format!("Go cannot be run: {error}"),
            },
        })?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if is_new_enough(&version) {
        return Ok(());
    }
    let (major, minor) = OLDEST_GO;
    Err(Error::Go {
        name: module.name,
        remedy: module.remedy,
        problem: format!("the Go in PATH is {version:?}, and {major}.{minor} or newer is needed"),
    })
}

/// Reads `go1.26.8`, `go1.27rc1` or `devel go1.27-...`.
fn is_new_enough(version: &str) -> bool {
    let Some((_, number)) = version.split_once("go") else {
        return false;
    };
    let mut parts = number.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>()
    });
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_GO)
}

fn go_build(linker_flags: &str, sources: &Path, temporary: &Path, program: &Path) -> Command {
    let mut command = go();
    command
        .current_dir(sources)
        // What a killed build leaves behind goes away with the working directory.
        .env("GOTMPDIR", temporary)
        .args(["build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags"])
        .arg(linker_flags)
        .arg("-o")
        .arg(program)
        .arg(package(sources))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Reads what `go build` says to its end, and reports now and then.
async fn follow(
    module: &GoModule,
    progress: &mut Progress,
    mut lines: Lines<BufReader<ChildStderr>>,
    begun: Instant,
) {
    let mut ticks = tokio::time::interval(REPORT_INTERVAL);
    ticks.tick().await;
    loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => progress.see(line),
                Ok(None) | Err(_) => return,
            },
            _ = ticks.tick() => {
                let phase = progress.phase(module.about_packages);
                say_of(module.name, format_args!("{} s: {phase}", begun.elapsed().as_secs()));
            }
        }
    }
}

/// What `go build -v` has said so far.
#[derive(Debug, Default)]
struct Progress {
    downloads: usize,
    packages: usize,
    other: VecDeque<String>,
}

impl Progress {
    fn see(&mut self, line: String) {
        if line.starts_with("go: downloading ") {
            self.downloads += 1;
        } else if line.starts_with("go: ") || line.contains(char::is_whitespace) {
            if self.other.len() == KEPT_LINES {
                self.other.pop_front();
            }
            self.other.push_back(line);
        } else {
            // With -v, Go prints nothing but the name of each package that it compiles.
            self.packages += 1;
        }
    }

    fn phase(&self, about_packages: usize) -> String {
        match (self.packages, self.downloads) {
            (0, 0) => "no package compiled yet".to_owned(),
            (0, count) => format!("downloading modules ({count} so far)"),
            (count, _) => format!("compiling and linking ({count} of about {about_packages} packages)"),
        }
    }

    fn output(self) -> String {
        Vec::from(self.other).join("\n")
    }
}

/// What `go build` is to build: the program of the module, or where it has no code, the one that its go.mod names as
/// `tool`.
fn package(sources: &Path) -> &'static str {
    let mut files = std::fs::read_dir(sources).into_iter().flatten().flatten();
    let has_code = files.any(|file| file.path().extension().is_some_and(|extension| extension == "go"));
    if has_code { "." } else { "tool" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions() {
        for (version, expected) in [
            ("go1.26.8", true),
            ("go1.26", true),
            ("go1.27rc1", true),
            ("go2.0", true),
            ("devel go1.27-0123abc Mon", true),
            ("go1.25.9", false),
            ("go1.9", false),
            ("go1", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }

    #[test]
    fn a_module_without_code_stands_for_its_tool() {
        let sources = tempfile::tempdir().unwrap();
        std::fs::write(sources.path().join("go.mod"), "").unwrap();
        assert_eq!(package(sources.path()), "tool");
        std::fs::write(sources.path().join("main.go"), "").unwrap();
        assert_eq!(package(sources.path()), ".");
    }

    #[test]
    fn progress_tells_phases_apart_and_keeps_errors() {
        let mut progress = Progress::default();
        assert_eq!(progress.phase(2700), "no package compiled yet");
        progress.see("go: downloading k8s.io/api v0.36.2".to_owned());
        progress.see("go: downloading k8s.io/kms v0.36.2".to_owned());
        assert_eq!(progress.phase(2700), "downloading modules (2 so far)");
        progress.see("k8s.io/api/core/v1".to_owned());
        assert!(
            progress
                .phase(2700)
                .starts_with("compiling and linking (1 of about")
        );
        for number in 0..KEPT_LINES {
            progress.see(format!("./main.go:{number}: undefined: x"));
        }
        progress.see("go: build failed".to_owned());
        let output = progress.output();
        assert!(
            output.starts_with("./main.go:1:") && output.ends_with("go: build failed"),
            "{output}"
        );
    }
}
