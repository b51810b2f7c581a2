// What QueueWriter knows of each queue, found by topic and queue id: 128 bytes a queue and its topic's name
// once. Not thread-safe: QueueWriter's mutex guards it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libstore/derive/unit_blocks.h"
#include "libstore/scan/store_survey.h"

namespace rmq::derive {

using QueueNumber = std::uint32_t;
inline constexpr QueueNumber kNoQueue = UINT32_MAX;

// Where in the log the oldest message is that something still waits for.
struct Waiting {
  std::int64_t log_offset = 0;
  std::int64_t store_timestamp = 0;
};

// Units are numbered from the queue's beginning: unit n lies at byte n * unit size. Of a simple queue the
// number is the queue offset.
struct QueueState {
  // A place in one of the two lines of queues: those with units to write, those with files to sync.
  struct InLine {
    Waiting since;
    QueueNumber before = kNoQueue;
    QueueNumber behind = kNoQueue;
  };

  InLine dirty;
  InLine unsynced;
  std::int64_t first = -1;       // the oldest unit that leads to a message; -1: the queue has no unit
  std::int64_t written = 0;      // units below are in files, the others in blocks
  std::int64_t min_offset = 0;   // queue offset of the first unit's message
  std::int64_t next_offset = 0;  // queue offset of the next message
  std::int64_t max_physic = -1;  // simple: end of the last record, batch: its beginning; -1: none
  std::int64_t files_end = 0;    // bytes: the next file to be created begins here
  BlockNumber head = kNoBlock;
  BlockNumber tail = kNoBlock;
  std::uint32_t topic = 0;
  std::int32_t queue_id = 0;
  std::uint32_t waiting_units = 0;  // in blocks
  std::uint8_t head_skip = 0;       // units at the beginning of the head block that are written already
  std::uint8_t tail_units = 0;      // in the tail block, written ones included
  bool batch : 1 = false;
  bool is_dirty : 1 = false;  // in that line
  bool is_unsynced : 1 = false;
  bool blank_start : 1 = false;    // the first file gets pre-blank units in front of the first real one
  bool being_written : 1 = false;  // by some thread, outside of the mutex
  bool unwanted : 1 = false;       // gets no units
  bool forgotten : 1 = false;      // its topic was deleted; what kind it is next is not known yet
  std::uint8_t syncs = 0;          // under way
  std::unique_ptr<std::deque<BlockNumber>>
      chain;  // all of its blocks, once they are many: found without a walk

  [[nodiscard]] std::int64_t end() const { return written + waiting_units; }
  // Others are known by name only: forgotten, or known for messages that must not come back.
  [[nodiscard]] bool is_there() const { return !forgotten && !unwanted && (first >= 0 || files_end > 0); }
};
static_assert(sizeof(QueueState) <= 128);

class QueueTable {
 public:
  [[nodiscard]] QueueNumber find(std::string_view topic, std::int32_t queue_id) const {
    if (slots_.empty()) return kNoQueue;
    for (std::size_t slot = hash(topic, queue_id) & mask();; slot = (slot + 1) & mask()) {
      const QueueNumber number = slots_[slot];
      if (number == kNoQueue) return kNoQueue;
      const QueueState& state = at(number);
      if (state.queue_id == queue_id && topics_[state.topic] == topic) return number;
    }
  }
  // A queue that is not there yet.
  QueueNumber add(std::string_view topic, std::int32_t queue_id) {
    if (slots_.size() < 2 * (count_ + 1)) grow();
    if (count_ % kChunk == 0) chunks_.push_back(std::make_unique<QueueState[]>(kChunk));
    const auto number = static_cast<QueueNumber>(count_++);
    at(number).topic = intern(topic);
    at(number).queue_id = queue_id;
    place(number, hash(topic, queue_id));
    return number;
  }
  [[nodiscard]] QueueState& at(QueueNumber number) { return chunks_[number / kChunk][number % kChunk]; }
  [[nodiscard]] const QueueState& at(QueueNumber number) const {
    return chunks_[number / kChunk][number % kChunk];
  }
  [[nodiscard]] const std::string& topic(const QueueState& state) const { return topics_[state.topic]; }
  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  static constexpr std::size_t kChunk = 1024;

  static std::size_t hash(std::string_view topic, std::int32_t queue_id) {
    const std::size_t mixed =
        std::hash<std::string_view>{}(topic) +
        static_cast<std::size_t>(static_cast<std::uint32_t>(queue_id)) * 0x9E3779B97F4A7C15U;
    return mixed ^ (mixed >> 32);
  }
  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  void place(QueueNumber number, std::size_t hashed) {
    std::size_t slot = hashed & mask();
    while (slots_[slot] != kNoQueue) slot = (slot + 1) & mask();
    slots_[slot] = number;
  }
  void grow() {
    slots_.assign(slots_.empty() ? 1024 : 2 * slots_.size(), kNoQueue);
    for (QueueNumber number = 0; number < count_; ++number)
      place(number, hash(topics_[at(number).topic], at(number).queue_id));
  }
  std::uint32_t intern(std::string_view topic) {
    const auto known = topic_numbers_.find(topic);
    if (known != topic_numbers_.end()) return known->second;
    topics_.emplace_back(topic);
    const auto number = static_cast<std::uint32_t>(topics_.size() - 1);
    topic_numbers_.emplace(topics_.back(), number);
    return number;
  }

  std::vector<std::unique_ptr<QueueState[]>> chunks_;
  std::size_t count_ = 0;
  std::vector<QueueNumber> slots_;  // open addressing, at most half full
  std::deque<std::string> topics_;
  std::unordered_map<std::string_view, std::uint32_t> topic_numbers_;  // into topics_
};

// Queues in the order of what they wait for, linked through their states.
template <QueueState::InLine QueueState::* Place>
class QueueLine {
 public:
  explicit QueueLine(QueueTable& table) : table_(table) {}
  [[nodiscard]] QueueNumber front() const { return front_; }
  [[nodiscard]] QueueNumber behind(QueueNumber queue) const { return (table_.at(queue).*Place).behind; }
  [[nodiscard]] bool empty() const { return front_ == kNoQueue; }

  // Looks for the place from the end: O(1) for what is newest.
  void insert(QueueNumber queue) {
    QueueNumber before = back_;
    while (before != kNoQueue && since(before) > since(queue)) before = (table_.at(before).*Place).before;
    link(queue, before);
  }
  // Looks for the place from the front: O(1) for what is oldest.
  void insert_old(QueueNumber queue) {
    QueueNumber before = kNoQueue;
    for (QueueNumber next = front_; next != kNoQueue && since(next) < since(queue); next = behind(next))
      before = next;
    link(queue, before);
  }
  void remove(QueueNumber queue) {
    const QueueState::InLine& place = table_.at(queue).*Place;
    (place.before == kNoQueue ? front_ : (table_.at(place.before).*Place).behind) = place.behind;
    (place.behind == kNoQueue ? back_ : (table_.at(place.behind).*Place).before) = place.before;
  }

 private:
  [[nodiscard]] std::int64_t since(QueueNumber queue) const {
    return (table_.at(queue).*Place).since.log_offset;
  }
  void link(QueueNumber queue, QueueNumber before) {
    QueueState::InLine& place = table_.at(queue).*Place;
    place.before = before;
    place.behind = before == kNoQueue ? front_ : (table_.at(before).*Place).behind;
    (before == kNoQueue ? front_ : (table_.at(before).*Place).behind) = queue;
    (place.behind == kNoQueue ? back_ : (table_.at(place.behind).*Place).before) = queue;
  }

  QueueTable& table_;
  QueueNumber front_ = kNoQueue;
  QueueNumber back_ = kNoQueue;
};

}  // namespace rmq::derive
