//! Makes an image out of one program.

use std::fs::File;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The name of the image with the witness in it, which holds the namespaces of pods too.
pub(crate) const WITNESS: &str = "localhost/keywright-witness:test";

/// Writes an archive as `docker save` does, with the program and nothing else in it.
pub(crate) fn write(program: &Path, archive: &Path) -> Result<(), Failure> {
    let unwritable = || Failure::file("write", archive);
    let binary = std::fs::read(program).map_err(Failure::file("read", program))?;
    let mut layer = tar::Builder::new(Vec::new());
    add(&mut layer, "witness", 0o755, &binary).map_err(unwritable())?;
    let layer = layer.into_inner().map_err(unwritable())?;
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": ["/witness"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hexadecimal(&layer))]},
    })
    .to_string();
    let name = format!("{}.json", hexadecimal(config.as_bytes()));
    let manifest = json!([{"Config": name, "RepoTags": [WITNESS], "Layers": ["layer.tar"]}]).to_string();

    let file = File::create(archive).map_err(unwritable())?;
    let mut all = tar::Builder::new(file);
    for (path, content) in [
        ("layer.tar", layer.as_slice()),
        (&name, config.as_bytes()),
        ("manifest.json", manifest.as_bytes()),
    ] {
        add(&mut all, path, 0o644, content).map_err(unwritable())?;
    }
    all.finish().map_err(unwritable())
}

fn add<W: std::io::Write>(
    builder: &mut tar::Builder<W>,
    path: &str,
    mode: u32,
    content: &[u8],
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, path, content)
}

fn hexadecimal(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    #[test]
    fn what_is_written_is_an_image_and_not_the_operators() {
        let directory = tempfile::tempdir().unwrap();
        let (program, archive) = (
            directory.path().join("program"),
            directory.path().join("image.tar"),
        );
        std::fs::write(&program, "a program").unwrap();
        write(&program, &archive).unwrap();

        let image = Image::read(&archive).unwrap();
        assert_eq!(
            image.repository_and_tag(),
            ("localhost/keywright-witness", "test")
        );
        assert_eq!(image.id.len(), "sha256:".len() + 64);
        let refused = image.check().unwrap_err().to_string();
        assert_eq!(refused, r#"the image runs ["/witness"] [], not /keywright run"#);
        image.unpack(directory.path()).unwrap();
        assert_eq!(
            std::fs::read_to_string(directory.path().join("witness")).unwrap(),
            "a program"
        );
    }

    #[test]
    fn another_file_is_no_image() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image.tar");
        std::fs::write(&path, "").unwrap();
        let refused = Image::read(&path).unwrap_err().to_string();
        assert!(refused.contains("has no manifest.json"), "{refused}");
    }
}
