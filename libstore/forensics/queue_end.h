// The last unit of a queue that is used, found from the end of its files: reads what lies behind it and no
// more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "libstore/forensics/queue_table.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// Reads a queue file backwards from `end` (bytes), over its holes, and hands each unit to `visit` with its
// place in the file, until that says false.
template <class Visit>
void units_backwards(const io::ReadFile& file, std::int64_t unit_size, std::int64_t end, const Visit& visit) {
  constexpr std::int64_t kFirstBlock = 4 << 10;  // mostly the unit that is looked for is near
  constexpr std::int64_t kLargestBlock = 64 << 10;
  std::int64_t block_size = kFirstBlock / unit_size * unit_size;
  std::vector<std::byte> block;
  for (std::int64_t to = end / unit_size * unit_size; to > 0;) {
    const std::int64_t from = std::max<std::int64_t>(to - block_size, 0);
    if (file.next_data(from) < to) {
      block.resize(static_cast<std::size_t>(to - from));
      const auto got = file.read_at(from, block);
      const std::int64_t units = (got ? static_cast<std::int64_t>(*got) : 0) / unit_size;
      for (std::int64_t i = units; i-- > 0;) {
        if (!visit(from / unit_size + i, format::ConsumeQueueEntry::load(block.data() + i * unit_size)))
          return;
      }
    }
    to = from;
    block_size = std::min(block_size * 2, kLargestBlock / unit_size * unit_size);
  }
}

struct LastUnit {
  UnitNumber number = -1;  // none is used
  format::ConsumeQueueEntry entry;
};

// Fillers in front of a queue's first unit do not count. A file that cannot be opened is passed over.
[[nodiscard]] LastUnit last_unit(const io::ReadFileSystem& files, const scan::Queue& queue);

}  // namespace rmq::forensics
