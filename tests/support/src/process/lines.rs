//! The output of a child, line by line, as much of it as is worth keeping.

use crate::lock;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
};

/// Lines kept; older ones fall out.
const MAX_LINES: usize = 10_000;

/// Shared between the readers and whoever waits for a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    kept: Arc<Mutex<Kept>>,
    /// Changes whenever there is something new to see.
    changed: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    /// How many have fallen out.
    dropped: u64,
    open_streams: usize,
}

impl Kept {
    fn since(&self, mark: u64) -> impl Iterator<Item = &String> {
        let skip = mark.saturating_sub(self.dropped);
        self.lines.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }

    fn next_mark(&self) -> u64 {
        self.dropped.saturating_add(self.lines.len().try_into().unwrap_or(u64::MAX))
    }
}

impl Lines {
    /// Counts the stream as open at once, so that nobody takes silence before the first poll of
    /// the reader for the end of the output.
    pub(super) fn read(
        self,
        stream: &'static str,
        from: impl AsyncRead + Unpin + Send,
    ) -> impl Future<Output = ()> + Send {
        lock(&self.kept).open_streams += 1;
        async move {
            let mut reader = BufReader::new(from);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
                let text = String::from_utf8_lossy(&line);
                self.push(format!("{stream}| {}", text.trim_end()));
                line.clear();
            }
            lock(&self.kept).open_streams -= 1;
            self.changed.send_replace(());
        }
    }

    fn push(&self, line: String) {
        let mut kept = lock(&self.kept);
        kept.lines.push_back(line);
        if kept.lines.len() > MAX_LINES {
            kept.lines.pop_front();
            kept.dropped += 1;
        }
        drop(kept);
        self.changed.send_replace(());
    }

    /// The first line after a mark that contains `text`; `None` once the output has ended without.
    pub(super) async fn find(&self, mark: u64, text: &str) -> Option<String> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            {
                let kept = lock(&self.kept);
                if let Some(line) = kept.since(mark).find(|line| line.contains(text)) {
                    return Some(line.clone());
                }
                if kept.open_streams == 0 {
                    return None;
                }
            }
            changed.changed().await.ok()?;
        }
    }

    pub(super) fn since(&self, mark: u64) -> Vec<String> {
        lock(&self.kept).since(mark).cloned().collect()
    }

    pub(super) fn mark(&self) -> u64 {
        lock(&self.kept).next_mark()
    }

    pub(super) fn tail(&self, count: usize) -> String {
        let kept = lock(&self.kept);
        let skip = kept.lines.len().saturating_sub(count);
        kept.lines.iter().skip(skip).cloned().collect::<Vec<_>>().join("\n")
    }
}
