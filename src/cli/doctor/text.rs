//! What `keywright doctor` shows at a terminal.

use super::finding::{Finding, Report};
use crate::cli::output::{Tone, toned};

/// How wide the names of checks are.
const CHECKS: usize = 11;

/// One line for each finding, with what to do below it, and how many there are of each.
pub(super) fn render(report: &Report) -> String {
    let lines: String = report.findings.iter().map(line).collect();
    let summary = match (report.wrong, report.warnings) {
        (0, 0) => toned("Nothing is wrong.", Tone::Good),
        (0, warnings) => toned(
            &format!("Nothing wrong was found; {}.", counted(warnings, "warning")),
            Tone::Warning,
        ),
        (wrong, 0) => toned(&format!("{wrong} wrong."), Tone::Bad),
        (wrong, warnings) => toned(
            &format!("{wrong} wrong, {}.", counted(warnings, "warning")),
            Tone::Bad,
        ),
    };
    format!("{lines}\n{summary}\n")
}

fn line(finding: &Finding) -> String {
    let level = toned(&format!("{:5}", finding.level.as_str()), finding.level.tone());
    let check = format!("{:CHECKS$}", finding.check);
    let mend = finding.mend.as_ref().map_or_else(String::new, |mend| {
        let indent = " ".repeat(CHECKS + 9);
        format!(
            "{indent}{} {}\n",
            toned("mend:", Tone::Heading),
            toned(mend, Tone::Plain)
        )
    });
    format!(
        "{level}  {check}  {}\n{mend}",
        toned(&finding.message, Tone::Plain)
    )
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_says_how_bad_it_is_and_what_to_do() {
        let findings = vec![
            Finding::ok("lease", "pod-a leads"),
            Finding::warn("clock", "this machine's clock is 37s ahead", "set it"),
            Finding::wrong(
                "definitions",
                "accesstokens.keywright.dev is not installed",
                "apply it",
            ),
        ];
        let text = render(&Report::new(findings));
        let plain = anstream::adapter::strip_str(&text).to_string();
        let expected = "\
ok     lease        pod-a leads
warn   clock        this machine's clock is 37s ahead
                    mend: set it
wrong  definitions  accesstokens.keywright.dev is not installed
                    mend: apply it

1 wrong, 1 warning.
";
        assert_eq!(plain, expected);
        assert!(render(&Report::new(vec![])).contains("Nothing is wrong."));
    }
}
