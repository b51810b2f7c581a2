// Queue files that were read last, kept open: a consumer that follows its queue reads the same file again and
// again, and opening it costs more than reading it.
//
// Threads: none; its owner's mutex guards it. What find() gives stays open for as long as it is held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "libstore/derive/queue_table.h"
#include "libstore/io/read_file_system.h"

namespace rmq::derive {

class ReadFiles {
 public:
  struct Place {
    QueueNumber queue = kNoQueue;
    std::int64_t start = 0;                    // the file's first byte in the queue
    std::shared_ptr<const io::ReadFile> file;  // nothing: it is not open
    std::uint64_t changes = 0;                 // as of find()
  };

  [[nodiscard]] Place find(QueueNumber queue, std::int64_t start) const {
    const Place& place = places_[number_of(queue)];
    const bool is_open = place.queue == queue && place.start == start;
    return {queue, start, is_open ? place.file : nullptr, changes_};
  }
  // What find() gave, opened since. Not kept where a file may have gone meanwhile.
  void keep(const Place& place) {
    if (place.changes == changes_) places_[number_of(place.queue)] = place;
  }
  // Files of the queue go, or come anew under the same names.
  void drop(QueueNumber queue) {
    ++changes_;
    if (Place& place = places_[number_of(queue)]; place.queue == queue) place = {};
  }

 private:
  static constexpr std::size_t kMost = 256;  // descriptors
  static std::size_t number_of(QueueNumber queue) { return queue % kMost; }

  std::array<Place, kMost> places_;
  std::uint64_t changes_ = 0;
};

}  // namespace rmq::derive
