// Who has a store's files open: a broker that is still recovering writes to them and holds no lock yet
// (DefaultMessageStore.load and recover come before start, which takes the lock).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libstore/scan/store_survey.h"

namespace rmq::cli {

struct Writer {
  std::int32_t process = 0;
  std::string program;  // as the system calls it; empty when it does not say
  std::string file;     // as the survey shows it
};

// Another process that has the lock file, the checkpoint or a commit log file open for writing. Nothing where
// there is none, and where the system does not tell: other users' processes, other machines, no /proc.
[[nodiscard]] std::optional<Writer> find_writer(const scan::StoreSurvey& survey);

}  // namespace rmq::cli
