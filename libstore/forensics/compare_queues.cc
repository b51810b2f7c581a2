#include "libstore/forensics/compare_queues.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "libstore/base/parallel.h"
#include "libstore/forensics/queue_end.h"
#include "libstore/forensics/queue_table.h"

namespace rmq::forensics {
namespace {

using format::ConsumeQueueEntry;

constexpr std::size_t kWindow = 64 << 10;

// A queue as one side has it; it may have none.
class QueueSide {
 public:
  QueueSide(const io::ReadFileSystem& files, const scan::Queue* queue) {
    if (queue == nullptr || queue->files.files.empty()) return;
    state_.emplace(*queue);
    reader_.emplace(files, *state_, kWindow);
    end_ = last_unit(files, *queue).number + 1;
  }
  [[nodiscard]] UnitNumber end() const { return end_; }
  // The first unit from `number` on that a file holds: names of files may lie far apart.
  [[nodiscard]] UnitNumber next(UnitNumber number) const {
    if (!state_ || number >= end_) return std::numeric_limits<UnitNumber>::max();
    if (state_->file_of(number) != nullptr) return number;
    const auto& files = state_->queue().files.files;
    const auto after = std::ranges::upper_bound(
        files, number, {}, [&](const scan::MappedFile& file) { return file.start / unit_size(); });
    return after == files.end() ? std::numeric_limits<UnitNumber>::max() : after->start / unit_size();
  }
  // nullopt: there is none, or it is not used.
  [[nodiscard]] std::optional<ConsumeQueueEntry> unit(UnitNumber number) {
    if (!reader_ || number >= end_) return std::nullopt;
    const auto entry = reader_->entry(number);
    if (!entry || !entry->is_used() || entry->is_pre_blank()) return std::nullopt;
    return entry;
  }
  [[nodiscard]] std::int64_t unit_size() const { return state_ ? state_->unit_size() : 0; }
  [[nodiscard]] std::span<const std::byte> bytes(UnitNumber number) {
    const std::byte* const bytes = reader_->unit(number);
    return bytes == nullptr ? std::span<const std::byte>{}
                            : std::span(bytes, static_cast<std::size_t>(state_->unit_size()));
  }

 private:
  std::optional<QueueState> state_;
  std::optional<UnitReader> reader_;
  UnitNumber end_ = 0;
};

using Key = std::tuple<std::string_view, std::int32_t, scan::QueueKind>;

class QueuePair {
 public:
  QueuePair(QueueSide& first, QueueSide& second, std::int64_t from, std::int64_t to)
      : first_(first), second_(second), from_(from), to_(to) {}

  Difference difference;
  std::int64_t compared = 0;

  void run(const std::function<bool()>& cancelled) {
    const UnitNumber end = std::max(first_.end(), second_.end());
    for (UnitNumber number = 0;; ++number) {
      number = std::min(first_.next(number), second_.next(number));
      if (number >= end) return;
      constexpr UnitNumber kAsk = 4096;
      if (number % kAsk == 0 && cancelled && cancelled()) return;
      const auto a = first_.unit(number);
      const auto b = second_.unit(number);
      if (!matters(a) && !matters(b)) continue;
      ++compared;
      if (a && b && same(number, *a, *b)) continue;
      // Where one leads into the common log and the other beside it, the two are of other generations of the
      // queue.
      if (difference.messages++ > 0) continue;
      const ConsumeQueueEntry& told = matters(a) ? *a : *b;
      difference.from = told.commit_log_offset;
      difference.to = told.commit_log_offset + told.size;
      difference.queue_offset = number;
      difference.message =
          a && b ? fmt::format("leads to {} in the first store and to {} in the second", a->commit_log_offset,
                               b->commit_log_offset)
                 : fmt::format("leads to {} in the {} store, and nowhere in the {}", told.commit_log_offset,
                               a ? "first" : "second", a ? "second" : "first");
      if (a && b && a->commit_log_offset == b->commit_log_offset)
        difference.message += ", with another size or tags code";
    }
  }

 private:
  [[nodiscard]] bool matters(const std::optional<ConsumeQueueEntry>& entry) const {
    return entry && entry->commit_log_offset >= from_ && entry->commit_log_offset < to_;
  }

  // Addresses in the ext files are each broker's own.
  [[nodiscard]] bool same(UnitNumber number, const ConsumeQueueEntry& a, const ConsumeQueueEntry& b) {
    if (a.commit_log_offset != b.commit_log_offset || a.size != b.size) return false;
    if (a.tags_code != b.tags_code)
      return format::is_ext_address(a.tags_code) && format::is_ext_address(b.tags_code);
    return first_.unit_size() == format::kConsumeQueueEntrySize ||
           std::ranges::equal(first_.bytes(number), second_.bytes(number));
  }

  QueueSide& first_;
  QueueSide& second_;
  std::int64_t from_;
  std::int64_t to_;
};

}  // namespace

void compare_queues(const CompareSide& first, const CompareSide& second, std::int64_t from, std::int64_t to,
                    const CompareOptions& options, CompareSummary& summary,
                    const std::function<void(const Difference&)>& sink) {
  std::map<Key, std::pair<const scan::Queue*, const scan::Queue*>> queues;
  for (const scan::Queue& queue : first.survey.queues)
    queues[{queue.topic, queue.queue_id, queue.kind}].first = &queue;
  for (const scan::Queue& queue : second.survey.queues)
    queues[{queue.topic, queue.queue_id, queue.kind}].second = &queue;
  std::vector<std::pair<Key, std::pair<const scan::Queue*, const scan::Queue*>>> list(queues.begin(),
                                                                                      queues.end());
  std::vector<std::optional<Difference>> found(list.size());
  std::mutex mutex;
  parallel_for(options.jobs, list.size(), options.cancelled, [&](std::size_t, std::size_t item) {
    QueueSide a(first.files, list[item].second.first);
    QueueSide b(second.files, list[item].second.second);
    QueuePair pair(a, b, from, to);
    pair.run(options.cancelled);
    const std::lock_guard lock(mutex);
    summary.units_compared += pair.compared;
    if (pair.difference.messages > 0) found[item] = std::move(pair.difference);
  });
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!found[i]) continue;
    Difference& difference = *found[i];
    difference.kind = DifferenceKind::queue;
    difference.topic = std::get<0>(list[i].first);
    difference.queue_id = std::get<1>(list[i].first);
    if (difference.messages > 1) difference.message += fmt::format("; {} units differ", difference.messages);
    ++summary.queues;
    summary.units += difference.messages;
    sink(difference);
  }
}

}  // namespace rmq::forensics
