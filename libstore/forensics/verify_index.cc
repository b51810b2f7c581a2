#include "libstore/forensics/verify_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace rmq::forensics {
namespace {

using format::IndexEntry;
using format::IndexHeader;
using format::kIndexEntrySize;
using format::kIndexHeaderSize;
using format::kIndexSlotSize;

constexpr std::size_t kEntry = kIndexEntrySize;
constexpr std::int64_t kBlock = 12'800 * kIndexEntrySize;  // 250 KiB, and whole slots and entries
constexpr std::size_t kMaxFindings = 4096;                 // a file
constexpr std::size_t kMaxDisputes = 65'536;
constexpr std::size_t kHighestSlots = 64;
constexpr std::int64_t kCountAt = 36;
constexpr std::int64_t kSlotCountAt = 32;
constexpr std::int64_t kOffsetsAt = 16;

bool all_zero(const std::byte* at) {
  return std::all_of(at, at + kEntry, [](std::byte byte) { return byte == std::byte{0}; });
}

// Plays the entries through the slot table that they must have built, and keeps what does not fit until all
// is known. A link that does not fit can mean two things: it is wrong itself, or the hash of an entry is,
// which then seems to be in another slot. In the second case two links disagree: the slot that the entry
// seems to be in goes on as if it were not there, and the one that it belongs to goes on from it. Only both
// together prove a wrong hash.
class ChainPlay {
 public:
  using Lookup = std::function<std::optional<IndexEntry>(std::int32_t)>;

  ChainPlay(std::int64_t slots, Lookup lookup)
      : slots_(slots), heads_(static_cast<std::size_t>(slots * kIndexSlotSize)), lookup_(std::move(lookup)) {}

  // The table is larger than the near caches: tells it which slot will be asked for soon.
  void expect(std::int32_t hash) const {
    if (hash >= 0) __builtin_prefetch(head_of(slot_of(hash)), 1);
  }

  void entry(std::int32_t number, std::int32_t hash, std::int32_t prev) {
    const std::int32_t slot = slot_of(hash);
    const auto head = load_be<std::int32_t>(head_of(slot));
    if (prev != head && !(prev > head && prev < number && is_unknown(prev))) {
      links_.emplace(number, dispute(slot, head, prev));
    }
    if (head == 0) ++filled_;
    store_be(heads_.data() + slot * kIndexSlotSize, number);
  }

  // Entries that hold nothing believable: links to them are taken for right, since nothing contradicts them.
  void unknown(std::int32_t number) {
    if (!unknown_.empty() && unknown_.back().first + unknown_.back().count == number) {
      ++unknown_.back().count;
    } else {
      unknown_.push_back({number, 1});
    }
  }

  // What the file says of the slots from `first` on, after all entries; entries end before `limit`.
  void slots(std::int32_t first, std::span<const std::byte> values, std::int32_t limit) {
    const std::byte* const heads = head_of(first);
    if (std::memcmp(values.data(), heads, values.size()) == 0) return;
    for (std::size_t at = 0; at < values.size(); at += kIndexSlotSize, ++first) {
      const auto value = load_be<std::int32_t>(values.data() + at);
      const auto head = load_be<std::int32_t>(heads + at);
      if (value == head) continue;
      const bool unknown = value > head && value < limit && is_unknown(value);
      if (unknown && head == 0) ++filled_;
      if (!unknown) wrong_slots_.emplace_back(first, dispute(first, head, value));
    }
  }

  // Calls bad_hash(entry), bad_link(entry, its link) and bad_slot(slot, its value, right value).
  template <class BadHash, class BadLink, class BadSlot>
  void finish(const BadHash& bad_hash, const BadLink& bad_link, const BadSlot& bad_slot) {
    std::vector<std::int32_t> skipped;
    std::vector<std::int32_t> followed;
    const auto collect = [&](const Dispute& dispute) {
      if (dispute.skips != 0) skipped.push_back(dispute.skips);
      if (dispute.follows != 0) followed.push_back(dispute.follows);
    };
    for (const auto& [number, dispute] : links_) collect(dispute);
    for (const auto& [slot, dispute] : wrong_slots_) collect(dispute);
    std::ranges::sort(skipped);
    std::ranges::sort(followed);
    std::vector<std::int32_t> wrong;
    std::ranges::set_intersection(skipped, followed, std::back_inserter(wrong));
    wrong.erase(std::unique(wrong.begin(), wrong.end()), wrong.end());
    const auto is_wrong = [&](std::int32_t number) {
      return std::binary_search(wrong.begin(), wrong.end(), number);
    };
    for (const std::int32_t number : wrong) bad_hash(number);
    for (const auto& [number, dispute] : links_) {
      if (!is_wrong(number) && !is_wrong(dispute.skips) && !is_wrong(dispute.follows))
        bad_link(number, dispute.value);
    }
    for (const auto& [slot, dispute] : wrong_slots_) {
      const bool explained = is_wrong(dispute.skips) || is_wrong(dispute.follows);
      if (explained) filled_ += (dispute.value != 0 ? 1 : 0) - (dispute.head != 0 ? 1 : 0);
      if (!explained) bad_slot(slot, dispute.value, dispute.head);
    }
  }
  [[nodiscard]] bool anything_unknown() const { return !unknown_.empty(); }
  [[nodiscard]] std::int64_t filled_slots() const { return filled_; }  // after finish()

 private:
  // `value` stands where `head` should.
  struct Dispute {
    std::int32_t head = 0;
    std::int32_t value = 0;
    std::int32_t skips = 0;    // the head, if it would fit that the head does not belong here
    std::int32_t follows = 0;  // the value, if it would fit that this entry of another slot belongs here
  };

  [[nodiscard]] const std::byte* head_of(std::int32_t slot) const {
    return heads_.data() + slot * kIndexSlotSize;
  }
  // 32-bit division: half the price of a 64-bit one, and neither side is negative.
  [[nodiscard]] std::int32_t slot_of(std::int32_t hash) const {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(hash) % static_cast<std::uint32_t>(slots_));
  }

  [[nodiscard]] Dispute dispute(std::int32_t slot, std::int32_t head, std::int32_t value) const {
    Dispute found{head, value, 0, 0};
    if (links_.size() + wrong_slots_.size() >= kMaxDisputes) return found;  // too much to look at each
    if (head != 0) {
      const auto own = links_.find(head);
      const auto entry = own == links_.end() ? lookup_(head) : std::nullopt;
      if (own != links_.end() ? own->second.head == value : entry && entry->prev_index == value)
        found.skips = head;
    }
    if (value > head) {
      const auto entry = lookup_(value);
      if (entry && entry->prev_index == head && entry->key_hash >= 0 && entry->key_hash % slots_ != slot) {
        found.follows = value;
      }
    }
    return found;
  }

  [[nodiscard]] bool is_unknown(std::int64_t number) const {
    auto it = std::upper_bound(unknown_.begin(), unknown_.end(), number,
                               [](std::int64_t n, const IndexEntryRun& run) { return n < run.first; });
    if (it == unknown_.begin()) return false;
    --it;
    return number < it->first + it->count;
  }

  std::int64_t slots_;
  std::vector<std::byte> heads_;  // big-endian as in the file, so that slots can be compared many at once
  std::unordered_map<std::int32_t, Dispute> links_;  // by entry
  std::vector<std::pair<std::int32_t, Dispute>> wrong_slots_;
  std::vector<IndexEntryRun> unknown_;
  std::int64_t filled_ = 0;
  Lookup lookup_;
};

class FileCheck {
 public:
  FileCheck(const io::ReadFileSystem& files, const scan::IndexFileInfo& info,
            const scan::IndexGeometry& geometry, IndexDepth depth, const std::function<bool()>& cancelled)
      : files_(files), depth_(depth), cancelled_(cancelled) {
    check_.file = info;
    check_.geometry = geometry;
  }

  IndexFileCheck run() && {
    look();
    std::ranges::sort(check_.findings, {},
                      [](const Finding& f) { return std::tuple(f.offset, f.length, f.code); });
    std::ranges::sort(check_.flagged);
    check_.flagged.erase(std::unique(check_.flagged.begin(), check_.flagged.end()), check_.flagged.end());
    return std::move(check_);
  }

 private:
  void look() {
    auto opened = files_.open(check_.file.path);
    if (!opened) {
      unreadable(std::move(opened).error(), 0);
      return;
    }
    file_ = std::move(*opened);
    size_ = file_->size();
    const scan::IndexGeometry& geometry = check_.geometry;
    const bool wrong_size = geometry.known() && size_ != geometry.file_size();
    if (wrong_size) {
      report(kIndexSize, 0, std::max(size_, geometry.file_size()),
             fmt::format("is {} bytes long instead of {} ({} slots, room for {} entries)", size_,
                         geometry.file_size(), geometry.slots, geometry.entries));
    }
    std::array<std::byte, kIndexHeaderSize> bytes{};
    if (!read(0, bytes)) return;
    if (size_ < kIndexHeaderSize) {
      if (!geometry.known())
        report(kIndexSize, 0, kIndexHeaderSize, fmt::format("is only {} bytes long", size_));
      return;
    }
    check_.header = *IndexHeader::parse(bytes);
    if (!geometry.known()) {
      if (check_.header.index_count > 1) {
        report(kIndexGeometry, 0, size_,
               fmt::format("no number of slots explains its {} bytes: hash chains cannot be checked", size_));
      }
      return;
    }
    if (geometry.ambiguous) {
      report(kIndexGeometry, 0, 0,
             fmt::format("{} slots explain it, but so does another number: checked with {}", geometry.slots,
                         geometry.slots),
             Severity::benign);
    }
    slots_ = geometry.slots;
    base_ = format::index_entry_position(slots_, 0);
    limit_ = std::min(geometry.entries, (size_ - base_) / kIndexEntrySize);
    cut_ = wrong_size && limit_ < geometry.entries;
    if (size_ < base_ || limit_ < 1) return;
    check_.readable = true;
    if (!find_used() || !check_header_against_entries()) return;
    if (depth_ == IndexDepth::full) play();
  }

  // ---- how many entries there are ----

  bool find_used() {
    const std::int64_t claimed = std::max(check_.header.index_count, 1);  // IndexHeader.load
    if (depth_ == IndexDepth::quick) return quick_count(claimed);
    const auto linked = last_linked();
    if (!linked) return false;
    const std::int64_t next = *linked + 1;
    if (cut_) {
      const std::int64_t count = claimed <= check_.geometry.entries ? std::max(claimed, next) : next;
      check_.used = std::min(count, limit_) - 1;
      check_.uncounted_entry = claimed + 1 == next;
      if (count > limit_) check_.cut_off = count - limit_;
      return !check_.error;
    }
    if (claimed == next) {
      check_.used = claimed - 1;
      return true;
    }
    if (claimed + 1 == next) {
      const auto last = entry(*linked);
      const auto counted = entry(claimed - 1);
      if (!last || !counted) return false;
      // The end moves only after the count: where it has moved, no crash explains the count.
      const bool end_moved = claimed > 1 && check_.header.end_phy_offset == last->phy_offset &&
                             counted->phy_offset != last->phy_offset;
      check_.uncounted_entry = !end_moved;
      check_.used = end_moved ? claimed : claimed - 1;
      if (end_moved) wrong_count(claimed, next, "the last entry is not counted");
      return true;
    }
    if (claimed < next) {
      check_.used = next - 1;
      wrong_count(claimed, next, "slots lead to entries behind it");
      return true;
    }
    // More than the slots know of: the newest slots may be damaged, the entries lost, or the header lies.
    const auto written = first_empty(next, std::min(claimed, limit_));
    if (!written) return false;
    check_.used = *written - 1;
    if (*written == claimed) return true;
    if (claimed <= limit_) {
      const auto last = entry(check_.used);
      if (!last) return false;
      if (check_.header.end_phy_offset > last->phy_offset) {
        check_.used = claimed - 1;  // the header knows of records behind: the entries are what is gone
        return true;
      }
    }
    wrong_count(claimed, *written, "entries end before it");
    return true;
  }

  bool quick_count(std::int64_t claimed) {
    check_.used = std::min(claimed, limit_) - 1;
    if (claimed > check_.geometry.entries) {
      wrong_count(claimed, 0, "is more than the file has room for");
      return true;
    }
    if (cut_) return true;
    std::array<std::byte, 3 * kEntry> around{};
    if (!read(base_ + (claimed - 1) * kIndexEntrySize, around)) return false;
    const bool last = claimed == 1 || check_.header.end_phy_offset == 0 || !all_zero(around.data());
    const bool behind =
        claimed + 1 < limit_ && !all_zero(around.data() + kEntry) && !all_zero(around.data() + 2 * kEntry);
    if (!last) wrong_count(claimed, 0, "the entry before it is empty");
    if (behind) wrong_count(claimed, 0, "entries behind it are written");
    return true;
  }

  void wrong_count(std::int64_t claimed, std::int64_t right, std::string_view why) {
    count_wrong_ = true;
    report(kIndexCount, kCountAt, 4,
           right > 0 ? fmt::format("indexCount is {} instead of {}: {}", claimed, right, why)
                     : fmt::format("indexCount is {}: {}", claimed, why));
  }

  // The highest entry that the slot of its own hash leads to; 0 when there is none.
  std::optional<std::int64_t> last_linked() {
    struct Head {
      std::int32_t number;
      std::int64_t slot;
    };
    std::vector<Head> highest;  // a heap, the lowest on top
    const auto lower = [](const Head& a, const Head& b) { return a.number > b.number; };
    const std::int64_t capacity = cut_ ? check_.geometry.entries : limit_;
    std::int32_t too_low = 0;
    const bool read_all = slots([&](std::int64_t slot, std::span<const std::byte> values) {
      for (std::size_t at = 0; at < values.size(); at += kIndexSlotSize, ++slot) {
        const auto value = load_be<std::int32_t>(values.data() + at);
        if (value <= too_low || value >= capacity) continue;
        if (highest.size() == kHighestSlots) {
          std::pop_heap(highest.begin(), highest.end(), lower);
          highest.pop_back();
        }
        highest.push_back({value, slot});
        std::push_heap(highest.begin(), highest.end(), lower);
        if (highest.size() == kHighestSlots) too_low = highest.front().number;
      }
    });
    if (!read_all) return std::nullopt;
    std::ranges::sort(highest, std::greater<>{}, &Head::number);
    for (const Head& head : highest) {
      // Behind a cut nothing can be looked at; the header is asked instead.
      if (head.number >= limit_) continue;
      const auto found = entry(head.number);
      if (!found) return std::nullopt;
      // All zeros is an entry too, of the log's first record, but only if the header counts it.
      const bool written = *found != IndexEntry{} || head.number + 1 == check_.header.index_count;
      if (written && found->key_hash >= 0 && found->key_hash % slots_ == head.slot) return head.number;
    }
    return 0;
  }

  std::optional<std::int64_t> first_empty(std::int64_t from, std::int64_t to) {
    std::int64_t found = to;
    const bool read_all = entry_blocks(from, to, [&](std::int64_t first, std::span<const std::byte> bytes) {
      for (std::size_t at = 0; at < bytes.size(); at += kEntry, ++first) {
        if (!all_zero(bytes.data() + at)) continue;
        found = first;
        return false;
      }
      return true;
    });
    if (!read_all) return std::nullopt;
    return found;
  }

  // ---- header against the first and the last entries ----

  bool check_header_against_entries() {
    const IndexHeader& header = check_.header;
    if (cut_ || count_wrong_) {
      if (depth_ == IndexDepth::quick) return true;
    }
    if (check_.used == 0) {
      // A file that was rolled to starts with the end of the one before; a first put that was cut short sets
      // the begin.
      if (check_.uncounted_entry || cut_) return true;
      if (header.begin_timestamp != header.end_timestamp)
        times("a file without keys begins and ends at one time");
      if (header.begin_phy_offset != header.end_phy_offset)
        range("a file without keys begins and ends at one offset");
      return true;
    }
    const auto first = entry(1);
    const auto second = check_.used >= 2 ? entry(2) : first;
    const auto last = entry(check_.used);
    const auto before = check_.used >= 2 ? entry(check_.used - 1) : last;
    if (!first || !second || !last || !before) return false;
    check_begin(first->phy_offset, second->phy_offset);
    if (!cut_ && *last != IndexEntry{} && *before != IndexEntry{}) {
      check_end(first->phy_offset, before->phy_offset, last->phy_offset);
      check_times(*before, *last);
    } else if (header.begin_timestamp <= 0 || header.end_timestamp <= 0) {
      times(fmt::format("begin {} and end {}", header.begin_timestamp, header.end_timestamp));
    }
    return true;
  }

  void check_begin(std::int64_t first, std::int64_t second) {
    const std::int64_t begin = check_.header.begin_phy_offset;
    if (begin == first) return;
    const bool entry_in_order = first >= 0 && first <= second;
    if (begin < 0 || (begin > second && entry_in_order)) {
      range(fmt::format("beginPhyOffset is {}, the first entry leads to {}", begin, first));
    } else if (check_.used == 1 && check_.header.end_phy_offset == first) {
      range(fmt::format("beginPhyOffset is {}, the only entry leads to {}", begin, first));
    } else if (entry_in_order) {
      check_.begin_offset_in_doubt = true;
    }
  }

  void check_end(std::int64_t first, std::int64_t before, std::int64_t last) {
    const std::int64_t end = check_.header.end_phy_offset;
    // A put that a crash cut short has counted its entry, but not moved the end yet.
    if (end == last || (check_.used >= 2 && end == before)) return;
    if (check_.used == 1) {
      if (check_.header.begin_phy_offset == first && end > first) {
        range(fmt::format("endPhyOffset is {}, the only entry leads to {}", end, last));
      }
      return;
    }
    const bool entry_in_order = last >= before;
    if (end < 0 || (end < before && entry_in_order)) {
      range(fmt::format("endPhyOffset is {}, the last entry leads to {}", end, last));
    } else if (entry_in_order) {
      check_.end_offset_in_doubt = true;
    }
  }

  void check_times(const IndexEntry& before, const IndexEntry& last) {
    const std::int64_t begin = check_.header.begin_timestamp;
    const std::int64_t end = check_.header.end_timestamp;
    if (check_.used == 1) {
      // The only entry's time counts from the end of the file before. A crash may have left the end where it
      // was.
      if (begin <= 0 || end > begin || end < 0)
        times(fmt::format("begin {} and end {} for one entry", begin, end));
      return;
    }
    if (begin <= 0 || end <= 0) {
      times(fmt::format("begin {} and end {}", begin, end));
      return;
    }
    const std::int32_t span = format::index_time_diff(begin, end);
    const std::int32_t before_span = check_.used == 2 ? 0 : before.time_diff_seconds;
    if (span == last.time_diff_seconds || span == before_span) return;
    if (begin > end) {
      times(fmt::format("begins at {} and ends before that, at {}", begin, end));
    } else {
      check_.times_in_doubt = true;
    }
  }

  void times(std::string_view what) {
    report(kIndexTimes, 0, kOffsetsAt, fmt::format("the header's times are wrong: {}", what));
  }
  void range(std::string_view what) {
    if (range_reported_) return;
    range_reported_ = true;
    report(kIndexRange, kOffsetsAt, kSlotCountAt - kOffsetsAt,
           fmt::format("the header's offsets are wrong: {}", what));
  }

  // ---- every link and every slot ----

  void play() {
    ChainPlay play(slots_, [this](std::int32_t number) {
      return number >= 1 && number <= check_.used ? entry(number) : std::nullopt;
    });
    Sequence sequence;
    constexpr std::int64_t kAhead = 24;
    const bool played =
        entry_blocks(1, check_.used + 1, [&](std::int64_t first, std::span<const std::byte> bytes) {
          const auto count = static_cast<std::int64_t>(bytes.size() / kEntry);
          for (std::int64_t i = 0; i < count; ++i) {
            const std::byte* at = bytes.data() + i * kIndexEntrySize;
            if (i + kAhead < count) play.expect(load_be<std::int32_t>(at + kAhead * kIndexEntrySize));
            one_entry(first + i, IndexEntry::load(at), play, sequence);
          }
          return true;
        });
    if (!played) return;
    close_sequence(sequence);
    std::optional<IndexEntry> uncounted;
    if (check_.uncounted_entry && check_.used + 1 < limit_) {
      uncounted = entry(check_.used + 1);
      if (!uncounted) return;
    }
    const bool compared = slots([&](std::int64_t first, std::span<const std::byte> values) {
      play.slots(static_cast<std::int32_t>(first), values, static_cast<std::int32_t>(check_.used + 1));
    });
    if (!compared) return;
    play.finish([this](std::int32_t number) { bad_hash(number); },
                [this](std::int32_t number, std::int32_t prev) { bad_link(number, prev); },
                [&](std::int32_t slot, std::int32_t value, std::int32_t head) {
                  if (value == check_.used + 1 && uncounted && uncounted->prev_index == head &&
                      uncounted->key_hash >= 0 && uncounted->key_hash % slots_ == slot) {
                    return;
                  }
                  if (check_.cut_off > 0 && value > check_.used && value <= check_.used + check_.cut_off)
                    return;
                  report(kIndexSlot, format::index_slot_position(slot), kIndexSlotSize,
                         fmt::format("slot {} leads to {} instead of {}", slot, named(value), named(head)));
                });
    check_slot_count(play.filled_slots(), play.anything_unknown());
  }

  struct Sequence {
    std::int64_t previous = -1;  // offset of the last believable entry
    bool in_damage = false;
    std::array<std::int64_t, 5> guide{};
    std::size_t guide_size = 0;
    std::vector<std::int64_t> tail;  // offsets of the last five
  };

  void one_entry(std::int64_t number, const IndexEntry& entry, ChainPlay& play, Sequence& sequence) {
    collect_guide(number, entry, sequence);
    const auto short_number = static_cast<std::int32_t>(number);
    const int faults = (entry.key_hash < 0 ? 1 : 0) + (entry.phy_offset < 0 ? 1 : 0) +
                       (entry.time_diff_seconds < 0 ? 1 : 0) +
                       (entry.prev_index < 0 || entry.prev_index >= number ? 1 : 0);
    // A key of the log's first record whose hash is 0 gives an entry of zeros.
    const bool empty =
        entry == IndexEntry{} && (sequence.previous > 0 || check_.header.begin_phy_offset != 0);
    if (empty || faults >= 2) {
      play.unknown(short_number);
      damaged_entry(number, sequence);
      return;
    }
    if (sequence.in_damage) end_damage(entry.phy_offset, sequence);
    if (entry.phy_offset < sequence.previous) ++check_.out_of_order;
    sequence.previous = entry.phy_offset;
    if (entry.time_diff_seconds < 0) {
      flag(kIndexTime, number, 12, 4,
           fmt::format("entry {}: negative time difference {}", number, entry.time_diff_seconds));
    }
    if (entry.phy_offset < 0) {
      flag(kIndexOffset, number, 0, kIndexEntrySize,
           fmt::format("entry {} leads to the negative offset {}", number, entry.phy_offset));
    }
    if (entry.key_hash < 0) {
      flag(kIndexEntry, number, 0, 4, fmt::format("entry {}: negative hash {}", number, entry.key_hash));
      play.unknown(short_number);
      return;
    }
    play.entry(short_number, entry.key_hash, entry.prev_index);
  }

  void collect_guide(std::int64_t number, const IndexEntry& entry, Sequence& sequence) {
    if (number > check_.used - 5) sequence.tail.push_back(entry.phy_offset);
    if ((number - 1) % IndexFileCheck::kGuideStep == 0) sequence.guide_size = 0;
    if (sequence.guide_size == sequence.guide.size()) return;
    sequence.guide[sequence.guide_size++] = entry.phy_offset;
    const bool complete = sequence.guide_size == sequence.guide.size() || number == check_.used;
    if (!complete) return;
    std::vector<std::int64_t> sorted(
        sequence.guide.begin(), sequence.guide.begin() + static_cast<std::ptrdiff_t>(sequence.guide_size));
    std::ranges::sort(sorted);
    check_.guides.push_back(sorted[sorted.size() / 2]);
    sequence.guide_size = sequence.guide.size();
  }

  void damaged_entry(std::int64_t number, Sequence& sequence) {
    if (sequence.in_damage && check_.damaged.back().first + check_.damaged.back().count == number) {
      ++check_.damaged.back().count;
    } else {
      check_.damaged.push_back({number, 1});
    }
    sequence.in_damage = true;
  }

  void end_damage(std::int64_t next_offset, Sequence& sequence) {
    const IndexEntryRun& run = check_.damaged.back();
    sequence.in_damage = false;
    check_.lost.push_back({std::max<std::int64_t>(sequence.previous, 0), next_offset, run.count});
    report(kIndexEntry, position(run.first), run.count * kIndexEntrySize,
           run.count == 1 ? fmt::format("entry {} holds nothing believable", run.first)
                          : fmt::format("entries {} to {} hold nothing believable", run.first,
                                        run.first + run.count - 1));
    check_.findings.back().consequences = run.count;
  }

  void close_sequence(Sequence& sequence) {
    if (!sequence.tail.empty()) {
      std::ranges::sort(sequence.tail);
      check_.last_guide = sequence.tail[sequence.tail.size() / 2];
    }
    const std::int64_t end = std::max(check_.header.end_phy_offset, sequence.previous);
    if (sequence.in_damage) end_damage(end, sequence);
    if (check_.cut_off > 0)
      check_.lost.push_back({std::max<std::int64_t>(sequence.previous, 0), end, check_.cut_off});
  }

  void bad_link(std::int64_t number, std::int32_t prev) {
    const std::string_view how = prev == number ? "to itself"
                                 : prev > number && prev <= check_.used
                                     ? "forward: a cycle, or another slot's chain"
                                 : prev < 0 || prev > check_.used ? "out of the file's entries"
                                 : prev == 0                      ? "nowhere, but its slot was in use"
                                             : "to an entry that was not its slot's newest";
    report(kIndexChain, position(number) + 16, 4,
           fmt::format("entry {} leads on to {}, {}", number, prev, how));
  }

  void bad_hash(std::int64_t number) {
    flag(kIndexEntry, number, 0, 4,
         fmt::format("entry {}: its hash belongs to another slot than its chain", number));
  }

  void check_slot_count(std::int64_t filled, bool uncertain) {
    const std::int64_t claimed = check_.header.hash_slot_count;
    // A crash in the middle of a put leaves it one off; damaged entries hide what their slots were.
    const std::int64_t off = claimed < filled ? filled - claimed : claimed - filled;
    if (off == 0 || (uncertain && claimed >= filled && claimed <= filled + damaged_entries()) ||
        check_.cut_off > 0)
      return;
    report(kIndexSlotCount, kSlotCountAt, 4,
           fmt::format("hashSlotCount is {}, but {} slots are in use", claimed, filled),
           off == 1 && check_.uncounted_entry ? Severity::benign : Severity::degraded);
  }
  [[nodiscard]] std::int64_t damaged_entries() const {
    std::int64_t sum = static_cast<std::int64_t>(check_.flagged.size());
    for (const IndexEntryRun& run : check_.damaged) sum += run.count;
    return sum;
  }

  // ---- reading ----

  [[nodiscard]] std::int64_t position(std::int64_t number) const {
    return format::index_entry_position(slots_, number);
  }

  // Missing bytes read as zeros, as a file that stock maps at its full size has them.
  bool read(std::int64_t at, std::span<std::byte> out) {
    if (cancelled_ && cancelled_()) {
      check_.error = Error{ErrorCode::cancelled, 0, "cancelled"};
      return false;
    }
    std::ranges::fill(out, std::byte{0});
    const auto got = file_->read_at(at, out);
    if (!got) {
      unreadable(got.error(), at);
      return false;
    }
    check_.bytes_checked = std::max(check_.bytes_checked, at + static_cast<std::int64_t>(*got));
    return true;
  }

  std::optional<IndexEntry> entry(std::int64_t number) {
    std::array<std::byte, kEntry> bytes{};
    if (!read(position(number), bytes)) return std::nullopt;
    return IndexEntry::load(bytes.data());
  }

  // visit(first slot, values of it and those behind it) block by block; false when reading failed.
  template <class Visit>
  bool slots(const Visit& visit) {
    block_.resize(static_cast<std::size_t>(std::min(kBlock, slots_ * kIndexSlotSize)));
    constexpr std::int64_t kSlots = kBlock / kIndexSlotSize;
    for (std::int64_t slot = 0; slot < slots_; slot += kSlots) {
      const std::int64_t count = std::min(kSlots, slots_ - slot);
      const std::span<std::byte> bytes(block_.data(), static_cast<std::size_t>(count * kIndexSlotSize));
      if (!read(format::index_slot_position(slot), bytes)) return false;
      visit(slot, std::span<const std::byte>(bytes));
    }
    return true;
  }

  // visit(first number, bytes of whole entries) for blocks of entries [from, to) until it says false; false
  // when reading failed.
  template <class Visit>
  bool entry_blocks(std::int64_t from, std::int64_t to, const Visit& visit) {
    std::vector<std::byte> block(
        static_cast<std::size_t>(std::min(kBlock, std::max<std::int64_t>(to - from, 0) * kIndexEntrySize)));
    constexpr std::int64_t kEntries = kBlock / kIndexEntrySize;
    for (std::int64_t number = from; number < to; number += kEntries) {
      const std::int64_t count = std::min(kEntries, to - number);
      const std::span<std::byte> bytes(block.data(), static_cast<std::size_t>(count * kIndexEntrySize));
      if (!read(position(number), bytes)) return false;
      if (!visit(number, std::span<const std::byte>(bytes))) return true;
    }
    return true;
  }

  // ---- reporting ----

  [[nodiscard]] static std::string named(std::int32_t number) {
    return number == 0 ? std::string("nothing") : fmt::format("entry {}", number);
  }

  void unreadable(Error error, std::int64_t at) {
    if (check_.error) return;
    report(kIndexUnreadable, at, std::max<std::int64_t>(check_.file.size - at, 0),
           "cannot be read: " + error.message());
    check_.error = std::move(error);
  }

  void flag(std::string_view code, std::int64_t number, std::int64_t within, std::int64_t length,
            std::string message) {
    check_.flagged.push_back(number);
    report(code, position(number) + within, length, std::move(message));
  }

  void report(std::string_view code, std::int64_t offset, std::int64_t length, std::string message,
              Severity severity = Severity::degraded) {
    if (check_.findings.size() >= kMaxFindings) {
      // The last one stands for all that follow.
      Finding& last = check_.findings.back();
      const std::int64_t end = std::max(last.offset + last.length, offset + length);
      last.offset = std::min(last.offset, offset);
      last.length = end - last.offset;
      last.consequences = ++check_.dropped;
      return;
    }
    Finding finding;
    finding.code = code;
    finding.severity = severity;
    finding.file = check_.file.shown;
    finding.offset = offset;
    finding.length = length;
    finding.message = std::move(message);
    check_.findings.push_back(std::move(finding));
  }

  const io::ReadFileSystem& files_;
  IndexDepth depth_;
  const std::function<bool()>& cancelled_;
  IndexFileCheck check_;
  std::unique_ptr<io::ReadFile> file_;
  std::vector<std::byte> block_;
  std::int64_t size_ = 0;
  std::int64_t slots_ = 0;
  std::int64_t base_ = 0;
  std::int64_t limit_ = 0;  // entries (entry 0 included) that lie in the file
  bool cut_ = false;
  bool count_wrong_ = false;
  bool range_reported_ = false;
};

}  // namespace

IndexFileCheck check_index_file(const io::ReadFileSystem& files, const scan::IndexFileInfo& info,
                                const scan::IndexGeometry& geometry, IndexDepth depth,
                                const std::function<bool()>& cancelled) {
  return FileCheck(files, info, geometry, depth, cancelled).run();
}

}  // namespace rmq::forensics
