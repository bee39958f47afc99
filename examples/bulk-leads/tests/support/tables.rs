//! Looking into the tables, past the store.

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row, SqliteConnection};

/// The rows that a query finds, each column as text; NULL is a dash.
pub(crate) async fn rows(url: &str, sql: &str) -> Vec<Vec<String>> {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let found = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow, column| {
            let number = row.try_get::<Option<i64>, _>(column).map(|n| n.map(|n| n.to_string()));
            number.unwrap_or_else(|_| row.get(column)).unwrap_or_else(|| "-".to_owned())
        };
        found.iter().map(|row| (0..row.len()).map(|at| text(row, at)).collect()).collect()
    } else {
        let mut connection = MySqlConnection::connect(url).await.unwrap();
        let found = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        let text = |row: &sqlx::mysql::MySqlRow, column| {
            let number = row.try_get::<Option<i64>, _>(column).map(|n| n.map(|n| n.to_string()));
            number.unwrap_or_else(|_| row.get(column)).unwrap_or_else(|| "-".to_owned())
        };
        found.iter().map(|row| (0..row.len()).map(|at| text(row, at)).collect()).collect()
    }
}

/// The one number that a query finds.
pub(crate) async fn count(url: &str, sql: &str) -> i64 {
    rows(url, sql).await[0][0].parse().unwrap()
}

/// Changes the tables behind everybody's back.
pub(crate) async fn execute(url: &str, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = MySqlConnection::connect(url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
}

/// All leads: id and status.
pub(crate) async fn leads(url: &str) -> Vec<Vec<String>> {
    rows(url, "SELECT id, status FROM crm_leads ORDER BY id").await
}

/// Every change of a lead: the lead, from and to which status. Each is one update.
pub(crate) async fn history(url: &str) -> Vec<Vec<String>> {
    let sql = "SELECT lead_id, from_status, to_status FROM crm_lead_history
               ORDER BY lead_id, changed_at, change_id";
    rows(url, sql).await
}
