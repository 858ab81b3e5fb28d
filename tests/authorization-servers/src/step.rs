//! One program run to its end during an installation.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::Error;
use crate::progress::say;

/// How often a long step says that it is still at it.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// How many of the last lines of a failed step's output go into its error.
const KEPT_LINES: usize = 25;

/// Runs the command to its end, and says so now and then.
///
/// # Errors
///
/// [`Error::Step`] with the end of its output if it fails.
pub(crate) async fn run(step: &'static str, command: &mut Command) -> Result<(), Error> {
    let begun = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    tokio::pin!(output);
    let mut ticks = tokio::time::interval(REPORT_INTERVAL);
    ticks.tick().await;
    let output = loop {
        tokio::select! {
            output = &mut output => break output,
            _ = ticks.tick() => say(format_args!("{} s: {step}", begun.elapsed().as_secs())),
        }
    };
    let output = output.map_err(|source| Error::Spawn {
        program: command.as_std().get_program().into(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Step {
        step,
        status: output.status,
        output: last_lines(&[output.stdout, output.stderr].concat()),
    })
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().rev().take(KEPT_LINES).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_step_tells_its_name_and_its_last_output() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo first; echo last >&2; exit 4"]);
        let text = run("the step", &mut command).await.unwrap_err().to_string();
        assert_eq!(text, "the step failed (exit status: 4):\nfirst\nlast");
    }
}
