// How far along the log something derived from it has come.
#pragma once

#include <cstdint>

namespace rmq::derive {

struct DerivedUpTo {
  std::int64_t log_offset = 0;  // done for every message that begins below
  std::int64_t store_timestamp =
      0;  // and so for every message stored until then, as long as store times do not go back
};

}  // namespace rmq::derive
