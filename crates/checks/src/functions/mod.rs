//! FUN: functions.
