//! A file system that is soon full.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use eyre::Result;
use tempfile::TempDir;

/// What a file that takes room is called.
const BALLAST: &str = "ballast";

/// A tmpfs of a few megabytes, gone when it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many mebibytes; `None` where this process may not.
    ///
    /// # Errors
    /// When there is no room for a folder.
    pub fn mount(mebibytes: u32) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        Ok(is_mounted.then_some(Self { folder }))
    }

    /// A path on it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Leaves not a byte.
    ///
    /// # Errors
    /// When nothing can be written at all.
    pub fn fill(&self) -> Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(BALLAST))?;
        let block = [7_u8; 4_096];
        while file.write_all(&block).is_ok() {}
        Ok(())
    }

    /// Takes back what filling it took.
    ///
    /// # Errors
    /// When it was never filled.
    pub fn relieve(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path(BALLAST))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it until then.
        drop(Command::new("umount").arg("--lazy").arg(self.folder.path()).output());
    }
}
