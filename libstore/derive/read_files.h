// Queue files that were read last, kept open: a consumer that follows its queue reads the same file again and
// again, and opening it costs more than reading it.
//
// Threads: none; its owner's mutex guards it. What find() gives stays open for as long as it is held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "libstore/derive/queue_table.h"
#include "libstore/io/read_file_system.h"

namespace rmq::derive {

class ReadFiles {
 public:
  using File = std::shared_ptr<const io::ReadFile>;

  // The file of `queue` that begins at byte `start` of it; nothing: it is not open.
  [[nodiscard]] File find(QueueNumber queue, std::int64_t start) const {
    const Slot& slot = slots_[number_of(queue)];
    return slot.queue == queue && slot.start == start ? slot.file : nullptr;
  }
  // What find() did not give, opened since; changes() of then. Not kept where a file may have gone meanwhile.
  void keep(QueueNumber queue, std::int64_t start, File file, std::uint64_t changes) {
    if (changes == changes_) slots_[number_of(queue)] = {queue, start, std::move(file)};
  }
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  // Files of the queue go, or come anew under the same names.
  void drop(QueueNumber queue) {
    ++changes_;
    if (Slot& slot = slots_[number_of(queue)]; slot.queue == queue) slot = {};
  }

 private:
  struct Slot {
    QueueNumber queue = kNoQueue;
    std::int64_t start = 0;
    File file;
  };
  static constexpr std::size_t kSlots = 256;  // descriptors
  static std::size_t number_of(QueueNumber queue) { return static_cast<std::size_t>(queue) % kSlots; }

  std::array<Slot, kSlots> slots_;
  std::uint64_t changes_ = 0;
};

}  // namespace rmq::derive
