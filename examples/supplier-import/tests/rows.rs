//! What is read from a file, and what is said of a file that is broken.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs::File;
use std::io::{Seek, Write};

use supplier_import::FileFault;
use supplier_import::mapping::Mapping;
use supplier_import::row::{self, RawRow};
use supplier_import::rows::{Format, Layout, Rows};

const HEADER: &str = "sku,ean,stock_quantity,delivery_days,purchase_price\n";

fn file(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

fn read_as(text: &str, layout: &Layout) -> Result<Vec<RawRow>, FileFault> {
    Rows::open(file(text), layout)?.collect()
}

fn read(text: &str) -> Result<Vec<RawRow>, FileFault> {
    read_as(text, &Layout::default())
}

/// The rows, each as "line: what is stored" or "line! why it is rejected".
fn checked(rows: Vec<RawRow>) -> Vec<String> {
    rows.into_iter()
        .map(|raw| match row::check(raw) {
            Ok(row) => format!(
                "{}: {} {} {}",
                row.line,
                row.sku.as_deref().unwrap_or("-"),
                row.ean.as_deref().unwrap_or("-"),
                row.availability(7)
            ),
            Err(rejection) => format!("{}! {}", rejection.line, rejection.reason),
        })
        .collect()
}

fn rejected(row: &str) -> String {
    let rows = checked(read(&format!("{HEADER}{row}\n")).unwrap());
    assert_eq!(rows.len(), 1, "{rows:?}");
    let reason = rows[0].strip_prefix("2! ");
    reason.unwrap_or_else(|| panic!("accepted: {}", rows[0])).to_owned()
}

fn fault(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_csv_row_is_stored_with_its_numbers_exactly() {
    let text = "sku,ean,stock_quantity,delivery_days,purchase_price\r\n\
                A-1,5901234123457,12,3,19.90\r\n\
                \"ż;ó,ł\"\"ć\", ,0,0,\"1234,5\"\r\n\
                ,036000291452,7,14,0.0001\r\n";

    let rows = checked(read(text).unwrap());

    assert_eq!(
        rows,
        [
            r#"2: A-1 5901234123457 {"contractor_id":7,"stock_quantity":12,"delivery_days":3,"purchase_price":19.90}"#,
            r#"3: ż;ó,ł"ć - {"contractor_id":7,"stock_quantity":0,"delivery_days":0,"purchase_price":1234.50}"#,
            r#"4: - 0036000291452 {"contractor_id":7,"stock_quantity":7,"delivery_days":14,"purchase_price":0.0001}"#,
        ]
    );
}

#[test]
fn what_is_wrong_with_a_row_is_said_with_field_and_value() {
    for (row, reason) in [
        (",,1,1,1", "sku and ean are both missing"),
        ("A,,brak,1,1", "stock_quantity \"brak\" is not a whole number"),
        ("A,,-4,1,1", "stock_quantity \"-4\" is negative"),
        ("A,,1.5,1,1", "stock_quantity \"1.5\" is not a whole number"),
        ("A,,10000001,1,1", "stock_quantity \"10000001\" is more than 10000000"),
        (
            "A,,99999999999999999999,1,1",
            "stock_quantity \"99999999999999999999\" is more than 10000000",
        ),
        ("A,,,1,1", "stock_quantity is missing"),
        ("A,,1,366,1", "delivery_days \"366\" is more than 365"),
        ("A,,1,soon,1", "delivery_days \"soon\" is not a whole number"),
        ("A,,1,1,-0.01", "purchase_price \"-0.01\" is negative"),
        ("A,,1,1,1000000.01", "purchase_price \"1000000.01\" is more than 1,000,000.00"),
        (
            "A,,1,1,99999999999999999999999",
            "purchase_price \"99999999999999999999999\" is more than 1,000,000.00",
        ),
        ("A,,1,1,1e5", "purchase_price \"1e5\" is not a price such as 12.30"),
        ("A,,1,1,NaN", "purchase_price \"NaN\" is not a price such as 12.30"),
        ("A,,1,1,1.2.3", "purchase_price \"1.2.3\" is not a price such as 12.30"),
        (
            "A,,1,1,\"1,234\"",
            "purchase_price \"1,234\" may mean thousands or three decimals: write 1234 or 1.2340",
        ),
        (
            "A,,1,1,\"12,000\"",
            "purchase_price \"12,000\" may mean thousands or three decimals: write 12000 or 12.0000",
        ),
        ("A,,1,1,\"1,234,567\"", "purchase_price \"1,234,567\" is not a price such as 12.30"),
        ("A,,1,1,\"1,234.50\"", "purchase_price \"1,234.50\" is not a price such as 12.30"),
        ("A,,1,1,1.23456", "purchase_price \"1.23456\" has more than 4 decimals"),
        ("A,5901234123450,1,1,1", "ean \"5901234123450\" has check digit 0, which should be 7"),
        ("A,590123412345X,1,1,1", "ean \"590123412345X\" is not made of digits"),
        ("A,59012,1,1,1", "ean \"59012\" has 5 digits, not 8, 12, 13 or 14"),
        (
            "A,5.90123E+12,1,1,1",
            "ean \"5.90123E+12\" is not made of digits: a spreadsheet has rounded it, export the column as text",
        ),
        ("A,,1,1", "has 4 columns, the header has 5"),
        ("A,,1,1,1,1", "has 6 columns, the header has 5"),
        ("A", "has 1 column, the header has 5"),
        ("\"A\tB\",,1,1,1", "sku \"A\u{fffd}B\" contains a control character"),
    ] {
        assert_eq!(rejected(row), reason, "{row}");
    }
}

#[test]
fn an_overlong_value_is_rejected_and_shown_in_short() {
    let sku = "x".repeat(300_000);

    let reason = rejected(&format!("{sku},,1,1,1"));

    assert_eq!(reason, format!("sku \"{}…\" is longer than 64 characters", "x".repeat(40)));
    assert!(
        rejected(&format!("A,,{},1,1", "1".repeat(33))).contains("is longer than 32 characters")
    );
    assert_eq!(
        checked(read(&format!("{HEADER}{},,1,1,1\n", "ż".repeat(64))).unwrap())[0].chars().next(),
        Some('2')
    );
}

#[test]
fn lines_are_counted_past_blank_ones_and_line_breaks_in_quotes() {
    for end in ["\n", "\r\n"] {
        let text = [
            "",
            "",
            "sku,ean,stock_quantity,delivery_days,purchase_price,name",
            "",
            "A,,1,1,1,\"two",
            "lines\"",
            "",
            ",,,,,",
            "B,,x,1,1,one",
            "C,,x,1,1,end",
            "",
        ]
        .join(end);

        let lines: Vec<u64> = read(&text).unwrap().iter().map(|row| row.line).collect();

        assert_eq!(lines, [5, 9, 10], "{end:?}");
    }
}

#[test]
fn columns_are_found_by_the_mapping_in_any_order() {
    let mapping = Mapping::with(
        ["sku=KOD", "stock_quantity=Stan mag.", "delivery_days=dni", "purchase_price=cena", "ean="]
            .map(|entry| entry.parse().unwrap()),
    )
    .unwrap();
    let layout = Layout { mapping, delimiter: b';', ..Layout::default() };

    let rows = read_as("cena; Stan mag. ;nazwa;KOD;dni\n12,50;4;lampa;L-1;2\n", &layout).unwrap();

    assert_eq!(
        checked(rows),
        [
            r#"2: L-1 - {"contractor_id":7,"stock_quantity":4,"delivery_days":2,"purchase_price":12.50}"#
        ]
    );
}

#[test]
fn a_mapping_that_cannot_work_is_refused() {
    let with = |entries: &[&str]| {
        Mapping::with(entries.iter().map(|entry| entry.parse().unwrap())).unwrap_err()
    };

    assert_eq!(with(&["stock_quantity="]), "stock_quantity cannot be left out of the mapping");
    assert_eq!(with(&["sku=", "ean="]), "sku and ean cannot both be left out of the mapping");
    assert_eq!(with(&["sku=X", "ean=X"]), "sku and ean are both mapped to \"X\"");
    let parsed: Result<supplier_import::mapping::MapEntry, _> = "price=X".parse();
    assert_eq!(
        parsed.unwrap_err(),
        "there is no field \"price\"; the fields are sku, ean, stock_quantity, delivery_days, purchase_price"
    );
}

#[test]
fn a_missing_column_is_named_with_those_that_are_there() {
    assert_eq!(
        fault("KOD,ean,stock_quantity,delivery_days,purchase_price\nA,,1,1,1\n"),
        "line 1: the header has no column \"sku\" (for sku); it has \"KOD\", \"ean\", \"stock_quantity\", \
         \"delivery_days\", \"purchase_price\". Name the right one with --map sku=COLUMN, or leave it out \
         with --map sku="
    );
    assert_eq!(
        fault("sku;ean;stock_quantity;delivery_days;purchase_price\nA;;1;1;1\n"),
        "line 1: the header has no column \"sku\" (for sku); it has \
         \"sku;ean;stock_quantity;delivery_days;pur…\". Is the delimiter ';'? Then add --delimiter ';'"
    );
    assert!(
        fault("sku,sku,ean,stock_quantity,delivery_days,purchase_price\n")
            .contains("two columns \"sku\"")
    );
}

#[test]
fn a_csv_file_that_is_cut_off_is_not_imported() {
    let cut_row = fault(&format!("{HEADER}A,,1,1,1\nB,,1"));
    let open_quote = fault(&format!("{HEADER}A,,1,1,1\n\"B,,1,1,1\nC,,1,1,1\n"));
    let open_quote_at_end = fault(&format!("{HEADER}A,,1,1,\"1"));

    assert_eq!(
        cut_row,
        "line 3: the file ends in the middle of this row (column 3 of 5): it is truncated, fetch it again"
    );
    assert_eq!(
        open_quote,
        "line 3: a quoted value in this row is never closed: the file is truncated, or a quote is missing"
    );
    assert!(open_quote_at_end.starts_with("line 2: a quoted value"), "{open_quote_at_end}");
}

#[test]
fn a_last_value_that_may_be_cut_off_is_not_stored() {
    let with_price_last = checked(read(&format!("{HEADER}A,,1,1,12.3")).unwrap());
    let with_name_last = checked(
        read("sku,ean,stock_quantity,delivery_days,purchase_price,name\nA,,1,1,12.3,lam").unwrap(),
    );

    assert_eq!(
        with_price_last,
        ["2! the file ends in this row without a line break, so its last value may be cut off"]
    );
    assert!(with_name_last[0].starts_with("2: A"), "{with_name_last:?}");
}

#[test]
fn a_quote_that_is_never_closed_does_not_take_the_file_into_memory() {
    let row = "A,,1,1,1\n";
    let text = format!("{HEADER}{row}\"{}", row.repeat(400_000));

    assert_eq!(
        fault(&text),
        "line 3: a row of more than 1 MiB begins here: a quote that is never closed?"
    );
}

#[test]
fn a_lost_quote_swallows_rows_and_is_reported_as_such() {
    let text = format!("{HEADER}\"A,,1,1,1\nB,,1,1,1\nC\",,1,1,1,9\nD,,1,1,1\n");

    let rows = checked(read(&text).unwrap());

    assert_eq!(
        rows[0],
        "2! has 6 columns, the header has 5, and quoted values that span 3 lines: is a quote missing?"
    );
    assert!(rows[1].starts_with("5: D"), "{rows:?}");
}

#[test]
fn an_empty_file_is_a_fault_and_a_header_alone_is_not() {
    for empty in ["", "\n\n", " \r\n "] {
        assert_eq!(fault(empty), "the file is empty: there is not even a header", "{empty:?}");
    }
    assert_eq!(read(HEADER), Ok(vec![]));
    assert_eq!(read(HEADER.trim_end()), Ok(vec![]));
}

#[test]
fn only_as_many_rows_are_read_as_asked_for() {
    let text = format!("{HEADER}A,,1,1,1\nB,,1,1,1\nC,,1,1,1\n\"broken");
    let layout = Layout { limit: Some(2), ..Layout::default() };

    assert_eq!(read_as(&text, &layout).unwrap().len(), 2);
}

fn product(inner: &str) -> String {
    format!("<offer>\n<product>{inner}</product>\n</offer>\n")
}

const VALUES: &str = "<stock_quantity>4</stock_quantity><delivery_days>2</delivery_days>\
                      <purchase_price>1.5</purchase_price>";

#[test]
fn xml_rows_are_read_with_references_cdata_and_foreign_elements() {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a\ncomment -->\n<offer date='2026'>\n\
         <head><author>x</author></head>\n\
         <products>\n<product id=\"1\">\n  <sku>A&amp;B&#x17C;</sku>\n  <ean/>\n{VALUES}\n\
         <extra><sku>no</sku></extra></product>\n\n\
         <product><sku><![CDATA[C<D]]></sku>{VALUES}</product>\n\
         <product/>\n</products>\n</offer>\n"
    );

    let rows = checked(read(&text).unwrap());

    let stored =
        r#"{"contractor_id":7,"stock_quantity":4,"delivery_days":2,"purchase_price":1.50}"#;
    assert_eq!(
        rows,
        [
            format!("7: A&Bż - {stored}"),
            format!("13: C<D - {stored}"),
            "14! sku and ean are both missing".to_owned(),
        ]
    );
}

#[test]
fn xml_that_ends_early_is_not_imported() {
    let text = product(&format!("<sku>A</sku>{VALUES}"));
    let whole = checked(read(&text).unwrap());
    assert_eq!(whole.len(), 1);

    let end = text.trim_end().len();
    for cut in (0..end).filter(|cut| text.is_char_boundary(*cut)) {
        assert!(read(&text[..cut]).is_err(), "cut at {cut}: {:?}", &text[..cut]);
    }
    assert_eq!(
        fault(&text[..text.find("</product>").unwrap()]),
        "line 2: the file ends inside of <product>: it is truncated, fetch it again"
    );
    assert_eq!(
        fault(&text[..text.find("urchase_price>1").unwrap()]),
        "line 2: the file ends inside of the tag that begins here: it is truncated, fetch it again"
    );
}

#[test]
fn xml_that_is_not_well_formed_is_reported_by_line() {
    let wrong_end = fault(&product(&format!("\n<sku>A</sky>{VALUES}")));
    let bare = fault(&product(&format!("\n\n<sku>A & B</sku>{VALUES}")));
    let unknown = fault(&product(&format!("<sku>A&nbsp;B</sku>{VALUES}")));

    assert!(wrong_end.starts_with("line 3: this is not well-formed XML: "), "{wrong_end}");
    assert_eq!(
        bare,
        "line 4: a \"&\" stands alone, which is not valid XML: it must be written \"&amp;\""
    );
    assert_eq!(unknown, "line 2: the reference \"&nbsp;\" is not known");
    assert!(fault("<offer></offer><offer/>").contains("a second document begins here"));
    assert!(fault("<html><body>log in</body></html>").contains("this is an HTML page"));
    assert!(fault(&"<a>".repeat(1_000)).contains("nested more than 64 deep"));
}

#[test]
fn a_field_that_no_xml_row_has_is_a_wrong_mapping() {
    let text = "<offer><product><sku>A</sku><stock>4</stock><delivery_days>2</delivery_days>\
                <purchase_price>1</purchase_price></product></offer>";

    assert_eq!(
        fault(text),
        "no row <product> has an element <stock_quantity> (for stock_quantity); they have \"sku\", \
         \"delivery_days\", \"purchase_price\", \"stock\". Name the right one with --map \
         stock_quantity=ELEMENT"
    );
    assert_eq!(
        fault("<offer><towar><kod>A</kod></towar></offer>"),
        "the file has none of the elements \"sku\", \"ean\", \"stock_quantity\", \"delivery_days\", \
         \"purchase_price\"; it has \"offer\", \"towar\", \"kod\". Name the right ones with --map \
         FIELD=ELEMENT"
    );
}

#[test]
fn xml_without_rows_is_empty_but_not_broken() {
    assert_eq!(read("<offer></offer>"), Ok(vec![]));
    assert_eq!(read("<?xml version=\"1.0\"?>\n<offer/>\n"), Ok(vec![]));
}

#[test]
fn an_xml_field_given_twice_rejects_the_row() {
    let rows = checked(read(&product(&format!("<sku>A</sku><sku>B</sku>{VALUES}"))).unwrap());

    assert_eq!(rows, ["2! has two values for sku"]);
}

#[test]
fn an_element_inside_of_an_xml_value_rejects_the_row() {
    let values = "<ean/><delivery_days>2</delivery_days><purchase_price>1.5</purchase_price>";
    let stock = "<stock_quantity>1<b>2</b></stock_quantity>";
    let foreign = "<names><b>x</b></names><stock_quantity>1</stock_quantity>";

    let nested = checked(read(&product(&format!("<sku>A</sku>{stock}{values}"))).unwrap());
    let elsewhere = checked(read(&product(&format!("<sku>A</sku>{foreign}{values}"))).unwrap());

    assert_eq!(
        nested,
        ["2! has an element <b> inside of stock_quantity, where only a value can be"]
    );
    assert!(elsewhere[0].starts_with("2: A"), "{elsewhere:?}");
}

#[test]
fn an_endless_xml_text_does_not_go_into_memory() {
    let text = product(&format!("<sku>{}</sku>{VALUES}", "x".repeat(3 << 20)));

    assert!(fault(&text).contains("more than 1 MiB"), "{}", fault(&text));
}

#[test]
fn the_format_can_be_given_against_appearances() {
    let layout = Layout { format: Some(Format::Xml), ..Layout::default() };

    let fault = read_as(HEADER, &layout).unwrap_err();

    assert_eq!(fault.to_string(), "the file is empty: there is not even a header");
}
