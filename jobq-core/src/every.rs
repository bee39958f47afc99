//! The whole list of an enum's variants, for backends that give each of them a number.

/// `EVERY`: one value of each variant. It does not compile as long as one is missing.
macro_rules! every {
    ($($variant:ident $({ $($field:ident: $value:expr),+ })?),+ $(,)?) => {
        /// One of each, for tests that go over all of them.
        #[doc(hidden)]
        pub const EVERY: &'static [Self] = {
            let _is_listed = |it: Self| match it {
                $(Self::$variant { .. } => (),)+
            };
            &[$(Self::$variant { $($($field: $value),+)? }),+]
        };
    };
}

pub(crate) use every;
