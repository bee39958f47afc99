//! What is made of the list: a test of each behaviour, or a slice of them.

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_chapters {
    ($fixture:ty, $($chapter:ident { $($behaviour:ident)* })*) => {
        mod conformance {
            #[allow(unused_imports, reason = "the fixture may be named by a full path")]
            use super::*;

            $(mod $chapter {
                #[allow(unused_imports, reason = "the fixture may be named by a full path")]
                use super::*;

                $(#[test]
                fn $behaviour() {
                    $crate::conformance::run::<$fixture>(
                        $crate::conformance::$chapter::$behaviour,
                    );
                })*
            })*
        }
    };
}

/// Every behaviour with its name, as `chapter::behaviour`, for who runs them otherwise than as a test each:
/// a slice of pairs of name and function.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_behaviours {
    ($fixture:ty) => {
        $crate::__conformance_suite! { @__conformance_list $fixture }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ($fixture:ty, $($chapter:ident { $($behaviour:ident)* })*) => {
        [$($((
            concat!(stringify!($chapter), "::", stringify!($behaviour)),
            (|| {
                $crate::conformance::run::<$fixture>($crate::conformance::$chapter::$behaviour);
            }) as fn(),
        ),)*)*]
    };
}
