//! The file of a keystore: read only if nobody else can, written whole or not at all.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::KeystoreError;

/// Most bytes of a keystore that are read; one has about 500.
const LONGEST: u64 = 64 * 1024;
/// What a new file allows: reading and writing by its owner.
const OWNER_ONLY: u32 = 0o600;
/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// The text of a file that only its owner can use.
pub(super) fn read(path: &Path) -> Result<String, KeystoreError> {
    let failed = |source| KeystoreError::Read { path: path.to_owned(), source };
    let not = |detail: &str| KeystoreError::NotKeystore {
        path: path.to_owned(),
        detail: detail.to_owned(),
    };
    let file = File::open(path).map_err(failed)?;
    // Of the file that was opened, whatever stands at the path by now.
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(not("it is no file"));
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeystoreError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    match file.take(LONGEST.saturating_add(1)).read_to_string(&mut text) {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= LONGEST) => Ok(text),
        Ok(_) => Err(not("it is larger than 64 KiB")),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(not("it is not text")),
        Err(source) => Err(failed(source)),
    }
}

/// Writes a new file. It appears at its path when all of it is on the disk, and never in place of
/// another one: a hard link, unlike a rename, fails where there is something.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), KeystoreError> {
    let draft = draft_of(path);
    let written = write_draft(&draft, text).and_then(|()| fs::hard_link(&draft, path));
    // What remains of a failure is a file with the owner's key that nobody expects.
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => {
            removed.map_err(|source| KeystoreError::Write { path: draft, source })?;
            sync_folder(path)
                .map_err(|source| KeystoreError::Write { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(KeystoreError::Exists { path: path.to_owned() })
        }
        Err(source) => Err(KeystoreError::Write { path: path.to_owned(), source }),
    }
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(draft)?;
    // A umask can only take bits away; an owner who may not write could not unlock a copy either.
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Beside the file, so that both are on one disk. Two processes that write one path at once differ
/// by their ids.
fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.draft", std::process::id()))
}

/// The entry itself is on the disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
