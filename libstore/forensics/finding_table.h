// Everything that can be found wrong with a store, one row a code: the only place where codes are explained.
// The codes are part of the tools' contract and never change their meaning.
#pragma once

#include <span>
#include <string_view>

#include "libstore/forensics/finding.h"

namespace rmq::forensics {

struct FindingRow {
  std::string_view code;
  Severity usual;            // a finding may be better or worse, by its circumstances
  std::string_view title;    // a few words
  std::string_view meaning;  // what is so, and what it means for messages
  std::string_view cause;    // what usually leads to it
  std::string_view fix;      // what to do
};

// Sorted by code.
[[nodiscard]] std::span<const FindingRow> finding_table();
// nullptr for a code that is not in the table.
[[nodiscard]] const FindingRow* find_finding(std::string_view code);

}  // namespace rmq::forensics
