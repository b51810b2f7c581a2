// Where in the files of a batch queue base offsets ascend: what makes finding a batch by its base offset an
// answer about the bytes alone, whatever was asked before, also where a file is a copy of another one or a
// unit is damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

class BatchRuns {
 public:
  // Used units one behind the other in one file, each with a higher base offset than the one before. Units
  // are numbered through the queue: byte position / unit size.
  struct Run {
    std::int64_t first = 0;
    std::int64_t end = 0;
    std::int64_t first_base = 0;
    std::int64_t last_base = 0;
  };

  // Reads the used part of every file once. What cannot be read is in no run.
  BatchRuns(const io::ReadFileSystem& files, const scan::Queue& queue);

  // The number of the unit with this base offset. Of several the one in the last run, as RocketMQ takes the
  // last of several files that begin alike (BatchConsumeQueue.doRefreshCache). `base_at` gives a unit's base
  // offset, or nothing; `likely` is looked at first, and changes what it costs, not what is found.
  template <class BaseAt>
  [[nodiscard]] std::optional<std::int64_t> find(std::int64_t base_offset, std::int64_t likely,
                                                 BaseAt base_at) const {
    for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
      if (base_offset < run->first_base || base_offset > run->last_base) continue;
      if (likely >= run->first && likely < run->end && base_at(likely) == base_offset) return likely;
      std::int64_t low = run->first;
      std::int64_t high = run->end;
      while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        const std::optional<std::int64_t> base = base_at(middle);
        if (base && *base < base_offset) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      if (low < run->end && base_at(low) == base_offset) return low;
    }
    return std::nullopt;
  }

 private:
  std::vector<Run> runs_;  // by place
};

}  // namespace rmq::forensics
