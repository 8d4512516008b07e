//! Tables that may hold only a part of leadchat's rows.

use serde::Serialize;

use crate::store::{Dangling, Inspection, PartialTable, StoreError};

#[derive(Debug, Default, Serialize)]
pub struct Completeness {
    pub partial: Vec<PartialTable>,
    pub dangling: Vec<Dangling>,
}

impl Completeness {
    /// Reads the completeness of the tables. Rows are counted if all tables can be read.
    pub async fn of(inspection: &Inspection, counts: bool) -> Result<Self, StoreError> {
        let partial = inspection.partial_tables().await?;
        let mut dangling = Vec::new();
        if counts {
            dangling = inspection.dangling(&partial).await;
        }
        Ok(Self { partial, dangling })
    }

    /// The tables, each with its kind.
    pub fn tables(&self) -> String {
        let named = |it: &PartialTable| format!("{} ({})", it.table, it.kind.replace('_', " "));
        let named: Vec<_> = self.partial.iter().map(named).collect();
        named.join(", ")
    }

    /// References to rows that do not exist, each with its count.
    pub fn references(&self) -> String {
        let named = |it: &Dangling| match it.rows {
            Some(rows) => format!("{} in {rows}", it.reference),
            None => format!("{} (not counted in time)", it.reference),
        };
        let named: Vec<_> = self.dangling.iter().map(named).collect();
        named.join(", ")
    }
}
