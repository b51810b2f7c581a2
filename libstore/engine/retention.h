// How long the log is kept, and what follows from how full its disks are: rules alone, no files.
// RocketMQ: DefaultMessageStore.CleanCommitLogService.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libstore/base/error.h"

namespace rmq::engine {

// Keys of broker.conf, with stock's defaults. Percentages are of a file system's space, as df counts it.
struct RetentionOptions {
  std::int64_t file_reserved_hours = 72;     // fileReservedTime, since a file was last written to
  std::string delete_when = "04";            // deleteWhen: hours of the local day, separated by semicolons
  int disk_max_used_space_ratio = 75;        // in effect 10 to 95
  int disk_space_clean_forcibly_ratio = 85;  // in effect 30 to 85
  int disk_space_warning_level_ratio = 90;   // in effect 35 to 90
  bool clean_file_forcibly_enable = true;    // files go before their time when a disk is nearly full
  int delete_file_batch_max = 10;            // a round
  std::int64_t clean_resource_interval =
      10'000;  // ms between rounds; the first comes a minute after the start
};

// Whole percents, rounded up; nothing where the disk could not be asked.
using UsedPercent = std::optional<int>;

struct DiskUse {
  struct LogDirectory {
    std::string directory;
    UsedPercent used;
  };
  std::vector<LogDirectory> log;
  UsedPercent queues;
};

struct DiskJudgement {
  bool remove = false;            // expired files go, whatever the hour
  bool at_once = false;           // and others, though their time has not come
  bool refuse_puts = false;       // stays so until the disk is below the forced ratio again
  std::vector<std::string> full;  // log directories that should get no new file
};

// `refusing`: what refuse_puts was the last time.
[[nodiscard]] DiskJudgement judge_disks(const DiskUse& use, const RetentionOptions& options, bool refusing);

// UtilAll.getDiskPartitionSpaceUsedPercent.
[[nodiscard]] int used_percent(std::int64_t used, std::int64_t free);

// The hours of deleteWhen; fails with wrong_use where one is none (stock never deletes by the clock then).
[[nodiscard]] Result<std::vector<int>> parse_delete_when(const std::string& text);

}  // namespace rmq::engine
