#include "libstore/forensics/queue_end.h"

namespace rmq::forensics {
namespace {

// The place in the file behind its last byte of data; a file system that knows no holes answers with its
// size.
std::int64_t data_end(const io::ReadFile& file) {
  std::int64_t end = 0;
  constexpr int kMostExtents = 10'000;
  for (int i = 0; i < kMostExtents; ++i) {
    const std::int64_t data = file.next_data(end);
    if (data >= file.size()) return end;
    end = file.next_hole(data);
    if (end >= file.size()) return file.size();
  }
  return file.size();
}

}  // namespace

LastUnit last_unit(const io::ReadFileSystem& files, const scan::Queue& queue) {
  LastUnit last;
  const std::int64_t unit_size = unit_size_of(queue);
  for (auto mapped = queue.files.files.rbegin(); mapped != queue.files.files.rend() && last.number < 0;
       ++mapped) {
    const auto file = files.open(mapped->path);
    if (!file) continue;
    units_backwards(**file, unit_size, data_end(**file),
                    [&](std::int64_t position, const format::ConsumeQueueEntry& entry) {
                      if (!entry.is_used() || entry.is_pre_blank()) return true;
                      last = {mapped->start / unit_size + position, entry};
                      return false;
                    });
  }
  return last;
}

}  // namespace rmq::forensics
