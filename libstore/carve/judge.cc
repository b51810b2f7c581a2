#include "libstore/carve/judge.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <queue>
#include <utility>

#include "libstore/carve/record_reader.h"

namespace rmq::carve {
namespace {

// Addresses that one broker had after each other are told from two brokers by where the records join: not
// farther apart than this.
constexpr std::int64_t kNear = 1 << 30;
// Records that lie where a message of this size at most is damaged may have been its body.
constexpr std::int64_t kLargestBody = format::kMaxRecordSize;
constexpr std::size_t kFarthestNeighbour = 64;  // runs that may lie in one damaged message

Piece piece_of(const Run& run) {
  Piece piece;
  static_cast<Run&>(piece) = run;
  return piece;
}

// ---- the same places of the log, claimed more than once

// Walks all runs that overlap at once, record by record in the order of the log, and makes pieces of them: a
// record that is there twice goes to one of them, and where records differ a new piece begins on each side.
class OverlapWalk {
 public:
  OverlapWalk(const io::ReadFileSystem& files, const std::vector<Source>& sources, Judgement& told,
              std::vector<Piece>& pieces)
      : files_(files), sources_(sources), told_(told), pieces_(pieces) {}

  // `runs` sorted by log offset.
  Status walk(std::span<const Run* const> runs, const std::function<bool()>& cancelled) {
    std::size_t next_run = 0;
    std::int64_t steps = 0;
    while (next_run < runs.size() || !waiting_.empty()) {
      if (++steps % 4096 == 0 && cancelled && cancelled())
        return Error{ErrorCode::cancelled, 0, "comparing what was found"};
      while (next_run < runs.size() &&
             (waiting_.empty() || runs[next_run]->log_offset <= waiting_.top()->reader.log_offset())) {
        auto side = std::make_unique<Side>(files_, sources_, *runs[next_run]);
        side->number = next_run++;
        RMQ_TRY(there, side->reader.next());
        if (!there) continue;
        waiting_.push(side.get());
        sides_.push_back(std::move(side));
      }
      if (!waiting_.empty()) RMQ_CHECK(take_place());
    }
    for (const auto& side : sides_) end_piece(*side);
    sides_.clear();
    return {};
  }

 private:
  struct Side {
    Side(const io::ReadFileSystem& files, const std::vector<Source>& sources, const Run& of)
        : run(of), reader(files, sources, of) {}
    Run run;
    RecordReader reader;
    std::size_t number = 0;
    std::optional<Piece> piece;  // under way
    Piece before_last;           // the piece without its last record
  };
  struct Later {
    bool operator()(const Side* a, const Side* b) const {
      return std::pair(a->reader.log_offset(), a->number) > std::pair(b->reader.log_offset(), b->number);
    }
  };

  // All records that claim the lowest place.
  Status take_place() {
    const std::int64_t place = waiting_.top()->reader.log_offset();
    std::vector<Side*> here;
    while (!waiting_.empty() && waiting_.top()->reader.log_offset() == place) {
      here.push_back(waiting_.top());
      waiting_.pop();
    }
    // Who has a piece under way goes on with it; then who has more.
    std::ranges::sort(here, std::less(), [](const Side* side) {
      return std::tuple(!side->piece.has_value(), -side->run.length, side->number);
    });
    std::vector<Side*> kinds;
    for (Side* side : here) {
      const bool copy = std::ranges::any_of(kinds, [&](const Side* other) {
        return std::ranges::equal(side->reader.bytes(), other->reader.bytes());
      });
      if (copy) {
        ++told_.duplicates;
        told_.duplicate_bytes += std::ssize(side->reader.bytes());
        end_piece(*side);
      } else {
        kinds.push_back(side);
      }
    }
    // A record that began before and is not over yet claims this place too.
    for (const auto& other : sides_) {
      if (!other->piece || other->piece->log_end() <= place ||
          std::ranges::find(kinds, other.get()) != kinds.end())
        continue;
      contest_last(*other);
    }
    const bool reached = reach_ > place;
    for (Side* side : kinds) add(*side, kinds.size() > 1 || reached);
    for (const Side* side : kinds) reach_ = std::max(reach_, place + std::ssize(side->reader.bytes()));
    for (Side* side : here) {
      RMQ_TRY(there, side->reader.next());
      if (there) {
        waiting_.push(side);
      } else {
        end_piece(*side);
        std::erase_if(sides_, [&](const auto& one) { return one.get() == side; });
      }
    }
    return {};
  }

  void add(Side& side, bool contested) {
    if (side.piece && side.piece->contested != contested) end_piece(side);
    const format::MessageView& message = side.reader.message();
    if (!side.piece) {
      Piece piece = piece_of(side.run);
      piece.position = side.reader.position();
      piece.log_offset = side.reader.log_offset();
      piece.length = piece.records = piece.longest = piece.newest_time = 0;
      piece.first_time = message.store_timestamp;
      piece.contested = contested;
      side.piece = piece;
    }
    Piece& piece = *side.piece;
    side.before_last = piece;
    piece.length += message.total_size;
    ++piece.records;
    piece.longest = std::max<std::int64_t>(piece.longest, message.total_size);
    piece.last_time = message.store_timestamp;
    piece.newest_time = std::max(piece.newest_time, message.store_timestamp);
    piece.blank_behind = piece.log_end() == side.run.log_end() ? side.run.blank_behind : 0;
    if (contested) ++told_.contested;
  }

  // The last record of a piece turns out to be contested: it gets a piece of its own.
  void contest_last(Side& side) {
    if (side.piece->contested) return;
    ++told_.contested;
    Piece last = *side.piece;
    if (side.before_last.records > 0) {
      side.before_last.blank_behind = 0;
      pieces_.push_back(side.before_last);
    }
    last.position += side.before_last.length;
    last.log_offset += side.before_last.length;
    last.length -= side.before_last.length;
    last.records = 1;
    last.longest = last.length;
    last.first_time = last.newest_time = last.last_time;
    last.contested = true;
    side.piece = last;
  }

  void end_piece(Side& side) {
    if (side.piece && side.piece->records > 0) pieces_.push_back(*side.piece);
    side.piece.reset();
  }

  const io::ReadFileSystem& files_;
  const std::vector<Source>& sources_;
  Judgement& told_;
  std::vector<Piece>& pieces_;
  std::vector<std::unique_ptr<Side>> sides_;
  std::priority_queue<Side*, std::vector<Side*>, Later> waiting_;
  std::int64_t reach_ = 0;  // the end of what was taken
};

// ---- one log out of many pieces

// The largest value set at or below a rank.
class HighestBelow {
 public:
  struct Entry {
    std::int64_t weight = 0;
    std::size_t piece = kNone;
  };
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  explicit HighestBelow(std::size_t ranks) : tree_(ranks + 1) {}
  void set(std::size_t rank, const Entry& entry) {
    for (std::size_t i = rank + 1; i < tree_.size(); i += i & (~i + 1))
      if (entry.weight > tree_[i].weight) tree_[i] = entry;
  }
  [[nodiscard]] Entry up_to(std::size_t rank) const {
    Entry best;
    for (std::size_t i = rank + 1; i > 0; i -= i & (~i + 1))
      if (tree_[i].weight > best.weight) best = tree_[i];
    return best;
  }

 private:
  std::vector<Entry> tree_;
};

// The pieces that make most of a log and lead to the newest record: one behind the other, and no last record
// older than the one of the piece before (the walk over a log takes that for the remains of a truncation). By
// log offset.
std::vector<std::size_t> newest_chain(const std::vector<Piece>& pieces) {
  std::vector<std::int64_t> times;
  for (const Piece& piece : pieces) times.push_back(piece.newest_time);
  std::ranges::sort(times);
  const auto rank_of = [&](std::int64_t time) {
    return static_cast<std::size_t>(std::ranges::lower_bound(times, time) - times.begin());
  };
  std::vector<std::size_t> by_end(pieces.size());
  std::iota(by_end.begin(), by_end.end(), std::size_t{0});
  std::ranges::sort(by_end, {}, [&](std::size_t i) { return pieces[i].log_end(); });
  std::vector<HighestBelow::Entry> chains(pieces.size());  // weight up to this piece, and the piece before
  HighestBelow best(times.size());
  std::size_t ended = 0;
  // Sorted by log offset: what ends before a piece has been weighed when its turn comes.
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    for (; ended < by_end.size() && pieces[by_end[ended]].log_end() <= pieces[i].log_offset; ++ended) {
      const std::size_t j = by_end[ended];
      best.set(rank_of(pieces[j].last_time), {chains[j].weight, j});
    }
    const auto before = best.up_to(rank_of(pieces[i].newest_time));
    // Bytes count; where they are equal a piece that is part of more does.
    constexpr std::int64_t kScale = 4;
    const std::int64_t joined = pieces[i].contested && pieces[i].records == 1 ? 0 : 1;
    chains[i] = {before.weight + pieces[i].length * kScale + joined, before.piece};
  }
  std::size_t last = 0;
  const auto key = [&](std::size_t i) { return std::pair(pieces[i].newest_time, chains[i].weight); };
  for (std::size_t i = 1; i < pieces.size(); ++i)
    if (key(i) >= key(last)) last = i;
  std::vector<std::size_t> chain;
  for (std::size_t i = last; i != HighestBelow::kNone; i = chains[i].piece) chain.push_back(i);
  std::ranges::reverse(chain);
  return chain;
}

class Judge {
 public:
  Judge(const io::ReadFileSystem& files, const std::vector<Source>& sources, const FoundRecords& found,
        const JudgeOptions& options)
      : files_(files), sources_(sources), found_(found), options_(options) {}

  Result<Judgement> run() {
    mark_what_lies_inside();
    RMQ_CHECK(resolve_overlaps());
    rate();
    std::vector<std::vector<Piece>> groups = group_by_store();
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const Apart apart = i > 0 ? Apart::other_store : Apart::older;
      for (std::size_t round = 0; !groups[i].empty(); ++round) {
        if (round == options_.most_logs) {
          add_heap(std::move(groups[i]), apart);
          break;
        }
        std::vector<Piece> rest;
        std::vector<Piece> chain;
        std::size_t taken = 0;
        const auto numbers = newest_chain(groups[i]);
        for (std::size_t k = 0; k < groups[i].size(); ++k) {
          const bool in = taken < numbers.size() && numbers[taken] == k;
          taken += in ? 1 : 0;
          (in ? chain : rest).push_back(groups[i][k]);
        }
        add_log(std::move(chain), round == 0 && i == 0 ? Apart::none : apart);
        groups[i] = std::move(rest);
      }
    }
    if (!inside_.empty()) add_heap(std::move(inside_), Apart::inside);
    return std::move(told_);
  }

 private:
  // A run between two others that would be one without a gap of less than a message, and that says another
  // place of the log: what is damaged there may have had it in its body.
  void mark_what_lies_inside() {
    is_inside_.assign(found_.runs.size(), false);
    const auto shift = [](const Run& run) { return run.log_offset - run.position; };
    const auto& runs = found_.runs;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (is_inside_[i]) continue;
      for (std::size_t j = i + 1; j < std::min(i + kFarthestNeighbour, runs.size()); ++j) {
        if (runs[j].source != runs[i].source || runs[j].position - runs[i].end() > kLargestBody) break;
        if (shift(runs[j]) != shift(runs[i])) continue;
        for (std::size_t k = i + 1; k < j; ++k) is_inside_[k] = true;
        break;
      }
    }
    // What joins others in the log is its own, wherever it lies.
    std::vector<std::int64_t> begins;
    std::vector<std::int64_t> ends;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (is_inside_[i]) continue;
      begins.push_back(runs[i].log_offset);
      ends.push_back(runs[i].log_end());
    }
    std::ranges::sort(begins);
    std::ranges::sort(ends);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (is_inside_[i] && (std::ranges::binary_search(ends, runs[i].log_offset) ||
                            std::ranges::binary_search(begins, runs[i].log_end())))
        is_inside_[i] = false;
    }
  }

  Status resolve_overlaps() {
    std::vector<const Run*> runs;
    for (std::size_t i = 0; i < found_.runs.size(); ++i) {
      if (is_inside_[i]) {
        inside_.push_back(piece_of(found_.runs[i]));
      } else {
        runs.push_back(&found_.runs[i]);
      }
    }
    std::ranges::sort(runs, std::less(), [](const Run* run) {
      return std::tuple(run->log_offset, -run->length, run->source, run->position);
    });
    for (std::size_t i = 0; i < runs.size();) {
      std::int64_t end = runs[i]->log_end();
      std::size_t j = i + 1;
      for (; j < runs.size() && runs[j]->log_offset < end; ++j) end = std::max(end, runs[j]->log_end());
      if (j == i + 1) {
        pieces_.push_back(piece_of(*runs[i]));
      } else {
        RMQ_CHECK(OverlapWalk(files_, sources_, told_, pieces_)
                      .walk(std::span(runs).subspan(i, j - i), options_.cancelled));
      }
      i = j;
    }
    std::ranges::sort(pieces_, [](const Piece& a, const Piece& b) {
      return std::tuple(a.log_offset, a.length, a.source, a.position) <
             std::tuple(b.log_offset, b.length, b.source, b.position);
    });
    std::ranges::sort(inside_, {},
                      [](const Piece& piece) { return std::pair(piece.log_offset, piece.length); });
    return {};
  }

  void rate() {
    std::vector<std::int64_t> begins;
    std::vector<std::int64_t> ends;
    for (const Piece& piece : pieces_) {
      begins.push_back(piece.log_offset);
      ends.push_back(piece.log_end());
    }
    std::ranges::sort(ends);
    for (Piece& piece : pieces_) {
      const bool joins = std::ranges::binary_search(ends, piece.log_offset) ||
                         std::ranges::binary_search(begins, piece.log_end());
      piece.confidence = piece.contested              ? Confidence::low
                         : piece.records > 1 || joins ? Confidence::high
                                                      : Confidence::medium;
    }
    for (Piece& piece : inside_) piece.confidence = Confidence::low;
  }

  // One broker's addresses together: where they join, in the log as in a source, and where all that has them
  // can be one log. The store with most bytes comes first.
  std::vector<std::vector<Piece>> group_by_store() {
    parents_.resize(found_.hosts.size());
    std::iota(parents_.begin(), parents_.end(), 0U);
    const auto& runs = found_.runs;
    for (std::size_t i = 1; i < runs.size(); ++i) {
      const Run& a = runs[i - 1];
      const Run& b = runs[i];
      if (a.source == b.source && a.end() == b.position && a.log_end() == b.log_offset) unite(a.host, b.host);
    }
    std::map<std::uint32_t, std::vector<Piece>> by_host;
    for (const Piece& piece : pieces_) by_host[root_of(piece.host)].push_back(piece);
    std::vector<std::vector<Piece>> groups;
    for (auto& [host, pieces] : by_host) groups.push_back(std::move(pieces));
    std::ranges::sort(groups, std::less(), [](const std::vector<Piece>& group) {
      return std::pair(-bytes_of(group), group.front().host);
    });
    std::vector<std::vector<Piece>> stores;
    for (auto& group : groups) {
      const auto known = std::ranges::find_if(stores, [&](auto& store) { return merge(store, group); });
      if (known == stores.end()) stores.push_back(std::move(group));
    }
    return stores;
  }

  static std::int64_t bytes_of(const std::vector<Piece>& pieces) {
    std::int64_t bytes = 0;
    for (const Piece& piece : pieces) bytes += piece.length;
    return bytes;
  }

  static bool merge(std::vector<Piece>& store, const std::vector<Piece>& group) {
    std::vector<Piece> both;
    std::ranges::merge(store, group, std::back_inserter(both), {}, &Piece::log_offset, &Piece::log_offset);
    for (std::size_t i = 1; i < both.size(); ++i) {
      const Piece& a = both[i - 1];
      const Piece& b = both[i];
      if (b.log_offset < a.log_end() || b.newest_time < a.last_time) return false;
      if (a.host != b.host && b.log_offset - a.log_end() > kNear) return false;
    }
    store = std::move(both);
    return true;
  }

  std::uint32_t root_of(std::uint32_t host) {
    while (parents_[host] != host) host = parents_[host] = parents_[parents_[host]];
    return host;
  }
  void unite(std::uint32_t a, std::uint32_t b) { parents_[root_of(a)] = root_of(b); }

  // Divided where too much is missing; its end comes first.
  void add_log(std::vector<Piece> pieces, Apart apart) {
    std::size_t end = pieces.size();
    for (std::size_t i = pieces.size(); i-- > 0;) {
      const bool gap = i > 0 && pieces[i].log_offset - pieces[i - 1].log_end() > options_.longest_gap;
      if (i > 0 && !gap) continue;
      Log log;
      log.pieces.assign(pieces.begin() + static_cast<std::ptrdiff_t>(i),
                        pieces.begin() + static_cast<std::ptrdiff_t>(end));
      log.apart = end < pieces.size() && apart == Apart::none ? Apart::far : apart;
      sum_up(log);
      told_.logs.push_back(std::move(log));
      end = i;
    }
  }

  void add_heap(std::vector<Piece> pieces, Apart apart) {
    Log log;
    log.pieces = std::move(pieces);
    log.apart = apart;
    log.one_store = false;
    sum_up(log);
    told_.logs.push_back(std::move(log));
  }

  static void sum_up(Log& log) {
    log.first_time = std::numeric_limits<std::int64_t>::max();
    std::int64_t behind = log.begin();  // a BLANK belongs to what is there
    for (const Piece& piece : log.pieces) {
      log.records += piece.records;
      log.bytes += piece.length;
      log.first_time = std::min(log.first_time, piece.first_time);
      log.last_time = std::max(log.last_time, piece.newest_time);
      log.missing_bytes += std::max<std::int64_t>(piece.log_offset - behind, 0);
      behind = piece.log_end() + piece.blank_behind;
      if (std::ranges::find(log.hosts, piece.host) == log.hosts.end()) log.hosts.push_back(piece.host);
    }
  }

  const io::ReadFileSystem& files_;
  const std::vector<Source>& sources_;
  const FoundRecords& found_;
  const JudgeOptions& options_;
  Judgement told_;
  std::vector<bool> is_inside_;
  std::vector<Piece> inside_;
  std::vector<Piece> pieces_;
  std::vector<std::uint32_t> parents_;
};

}  // namespace

Result<Judgement> judge(const io::ReadFileSystem& files, const std::vector<Source>& sources,
                        const FoundRecords& found, const JudgeOptions& options) {
  return Judge(files, sources, found, options).run();
}

}  // namespace rmq::carve
