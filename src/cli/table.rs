//! Tables for people: columns as wide as they need to be.

/// Lines of a table; the first row is its head. Controls in a cell could move the cursor, so they are shown as `?`.
pub(super) fn lines<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.clone().map(|it| plain(&it))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect::<Vec<_>>();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Lines of `name  value`, each as wide as the longest name.
pub(super) fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|it| it.0.len()).max().unwrap_or_default();
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {}", plain(value)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A time in seconds since 1970, or a dash where there is none.
pub(super) fn time(seconds: Option<i64>) -> String {
    seconds
        .and_then(|it| u64::try_from(it).ok())
        .map_or_else(|| "-".to_owned(), crate::base::calendar::utc)
}

/// A text, or a dash where there is none.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.filter(|it| !it.is_empty()).unwrap_or("-").to_owned()
}

fn plain(cell: &str) -> String {
    let turns = |it: char| {
        it.is_control()
            || matches!(it, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    cell.chars().map(|it| if turns(it) { '?' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_nothing_moves_the_cursor() {
        let rows = [["code", "name"], ["contoso", "Zoë\u{1b}[2J"], ["x", "\u{202e}abc"]]
            .map(|it| it.map(str::to_owned));
        assert_eq!(lines(&rows), "code     name\ncontoso  Zoë?[2J\nx        ?abc");
        assert_eq!(pairs(&[("a", "1".to_owned()), ("bcd", "2".to_owned())]), "a    1\nbcd  2");
        assert_eq!(
            (time(None), time(Some(0))),
            ("-".to_owned(), "1970-01-01 00:00:00Z".to_owned())
        );
    }
}
