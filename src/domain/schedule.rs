//! Working hours, as stored.

/// The working hours of one day of the week, from one row of `working_hours`.
/// Hours and minutes are in the inbox's time zone and are not checked: what is
/// stored is shown.
#[derive(Debug)]
pub struct WorkingHours {
    /// 0 is Sunday, 6 is Saturday; the column takes any integer.
    pub day_of_week: Option<i32>,
    pub closed_all_day: Option<bool>,
    pub open_hour: Option<i32>,
    pub open_minutes: Option<i32>,
    pub close_hour: Option<i32>,
    pub close_minutes: Option<i32>,
    pub open_all_day: Option<bool>,
}
