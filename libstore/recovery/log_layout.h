// Which file is which part of the log, by what its records say and not only by its name, and the steps that
// give every part one file of the right name and size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libstore/recovery/plan.h"

namespace rmq::recovery {

// One file's worth of the log.
struct LogPart {
  std::int64_t start = 0;
  std::string read_path;  // where its bytes lie now; empty: no file holds them
  std::string path;       // where they will lie after the steps
  std::string shown;      // the same, for people
  std::int64_t size = 0;  // bytes that there are; fewer than a file has where it was cut short
  bool is_last = false;   // the log is to end with them
};

struct LogLayout {
  std::vector<LogPart> parts;  // one behind the other, without gaps
  std::vector<Step> steps;
  std::vector<std::string> refusals;
};

// Opens every file, unless names and sizes are in order and `depth` is tail.
[[nodiscard]] LogLayout lay_out_log(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                    const PlanOptions& options);

// The step that moves a file to lost+found.
[[nodiscard]] Step setting_aside(const scan::StoreFile& file, std::string why);

}  // namespace rmq::recovery
