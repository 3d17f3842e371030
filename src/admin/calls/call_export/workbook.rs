//! A workbook with one sheet. Rows go to a nameless file as they come; the archive is packed while it is sent.

use std::{
    io::{self, Write},
    path::Path,
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use rust_xlsxwriter::{Workbook, XlsxError};
use tokio::sync::mpsc::{Sender, channel};

use super::columns::{COLUMNS, Cell, Record, defused};

/// Most characters of a cell; the format allows 32 767.
const LONGEST_CELL: usize = 32_000;
/// Bytes of one piece that is sent.
const PIECE: usize = 64 * 1024;
/// Pieces that wait to be sent: the packing waits for whoever reads.
const WAITING: usize = 4;

/// A workbook in the making.
pub(super) struct Book {
    workbook: Workbook,
    row: u32,
}

impl Book {
    /// An empty one, whose rows are kept in `dir` until it is sent.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(dir).map_err(broken)?;
        let sheet = workbook.add_worksheet_with_constant_memory();
        let sheet = sheet.map_err(broken)?;
        for (column, name) in (0..).zip(COLUMNS) {
            sheet.write_string(0, column, name).map_err(broken)?;
        }
        Ok(Self { workbook, row: 0 })
    }

    /// Adds rows.
    pub(super) fn add(&mut self, records: &[Record]) -> io::Result<()> {
        let sheet = self.workbook.worksheet_from_index(0).map_err(broken)?;
        for record in records {
            self.row += 1;
            for (column, cell) in (0..).zip(record.cells()) {
                match cell {
                    Cell::Text(text) => sheet.write_string(self.row, column, shortened(&defused(&text))),
                    // Whole numbers below 2^53 survive as the floating point numbers of the format.
                    Cell::Number(number) => sheet.write_number(self.row, column, number as f64),
                    Cell::Truth(truth) => sheet.write_boolean(self.row, column, truth),
                    Cell::Nothing => continue,
                }
                .map_err(broken)?;
            }
        }
        Ok(())
    }

    /// Its bytes. Whoever stops reading ends the packing.
    pub(super) fn send(mut self) -> BoxStream<'static, io::Result<Bytes>> {
        let (sender, receiver) = channel(WAITING);
        let packing = tokio::task::spawn_blocking(move || {
            let mut pieces = Pieces { sender, piece: Vec::with_capacity(PIECE) };
            self.workbook.save_to_writer(&mut pieces).map_err(broken)?;
            pieces.flush()
        });
        let sent = stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|piece| (Ok(piece), receiver)) });
        // An archive that could not be packed whole must not end as if it were.
        let end = stream::once(async move { packing.await.map_err(io::Error::other)? });
        sent.chain(end.filter_map(|packed| async move { packed.err().map(Err) })).boxed()
    }
}

fn broken(error: XlsxError) -> io::Error {
    io::Error::other(error)
}

fn shortened(text: &str) -> String {
    if text.chars().nth(LONGEST_CELL).is_none() {
        return text.to_owned();
    }
    text.chars().take(LONGEST_CELL).chain(['…']).collect()
}

/// Hands bytes over in pieces.
struct Pieces {
    sender: Sender<Bytes>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender.blocking_send(piece.into()).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the workbook any more"))
    }
}
