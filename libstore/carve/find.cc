#include "libstore/carve/find.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "libstore/base/parallel.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/message_properties.h"
#include "libstore/recovery/mend.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::carve {
namespace {

using format::MessageView;

constexpr std::int64_t kPageSize = 4096;  // what a failing disk loses at a time
constexpr std::size_t kLine = 64;
constexpr std::int64_t kBlock = 256 << 10;  // stays in the L2 cache between the read and the search
constexpr std::int64_t kLatestTime = 32'503'680'000'000;  // the year 3000
constexpr int kDeepestDirectory = 24;
constexpr std::int64_t kZerosAhead = format::kRecordMagicOffset - 1;  // that a record may begin with
// Bytes of records that turn out to be none, in multiples of a chunk. Forged headers that each claim
// megabytes must not keep us for ever; damage alone stays far below.
constexpr std::int64_t kVainFactor = 64;
constexpr std::int32_t kAlwaysLookedInto = 64 << 10;

struct FoundRecord {
  std::int64_t position = 0;
  std::int64_t log_offset = 0;
  std::int64_t store_timestamp = 0;
  std::int32_t size = 0;
  std::int32_t blank_behind = 0;
  std::uint32_t host = 0;  // of ChunkScan::hosts
  [[nodiscard]] std::int64_t end() const { return position + size; }
};

struct ChunkScan {
  std::vector<FoundRecord> records;
  std::vector<std::string> hosts;
  std::vector<std::pair<std::int64_t, std::int64_t>> unreadable;
  std::int64_t passed_over = 0;
};

// name 0x01 value, parted by 0x02 (MessageDecoder.messageProperties2String).
bool are_properties(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(format::kPropertySeparator), text.size());
    const std::string_view pair = text.substr(0, end);
    const std::size_t separator = pair.find(format::kNameValueSeparator);
    if (!pair.empty() && (separator == std::string_view::npos || separator == 0)) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

bool has_sane_numbers(const MessageView& message) {
  return message.queue_id >= 0 && message.queue_offset >= 0 && message.physical_offset >= 0 &&
         message.physical_offset <= scan::kLargestFileStart && message.store_timestamp > 0 &&
         message.store_timestamp < kLatestTime && !message.topic.empty();
}

// One thread's view of one source at a time.
class ChunkScanner {
 public:
  ChunkScanner(const io::ReadFileSystem& files, const std::vector<Source>& sources, std::int64_t chunk)
      : files_(files), sources_(sources), chunk_(chunk) {}

  // All records that begin in [from, to) of the source, the first one wherever it begins.
  Status scan(std::size_t source, std::int64_t from, std::int64_t to, ChunkScan& into) {
    RMQ_CHECK(begin(source, from, to, into));
    for (std::int64_t at = first_; at < to;) {
      const MessageView* const message = record_at(at);
      if (message == nullptr) {
        at = next_candidate(at + 1, to);
        continue;
      }
      into.records.push_back(found_at(at, *message));
      at = into.records.back().end();
    }
    finish(to);
    return {};
  }

  // The first record that begins in [from, to).
  Result<std::optional<FoundRecord>> first(std::size_t source, std::int64_t from, std::int64_t to,
                                           ChunkScan& into) {
    RMQ_CHECK(begin(source, from, to, into));
    for (std::int64_t at = first_; at < to; at = next_candidate(at + 1, to)) {
      if (const MessageView* const message = record_at(at)) return std::optional(found_at(at, *message));
    }
    return std::optional<FoundRecord>();
  }

 private:
  Status begin(std::size_t source, std::int64_t from, std::int64_t to, ChunkScan& into) {
    if (!file_ || source_ != source) {
      RMQ_TRY(opened, files_.open(sources_[source].path));
      file_ = std::move(opened);
      source_ = source;
    }
    end_ = std::min(file_->size(), sources_[source].size);
    into_ = &into;
    hosts_of_ = nullptr;
    vain_ = kVainFactor * chunk_;
    bad_.clear();
    buffer_from_ = from;
    buffer_size_ = 0;
    // A hole holds no record, but for the zeros that one begins with.
    first_ = std::max(from, std::min(file_->next_data(from), to) - kZerosAhead);
    if (file_->next_data(from) >= to) first_ = to;
    buffer_from_ = first_;
    return {};
  }

  void finish(std::int64_t to) {
    for (const auto& [from, until] : bad_)
      if (from < to) into_->unreadable.emplace_back(from, std::min(until, to));
  }

  // The buffer holds [at, end), unless the source ends before; what lies before `at` may go.
  void reach(std::int64_t at, std::int64_t end) {
    end = std::min(end, end_);
    if (end <= buffer_from_ + buffer_size_) return;
    // Only where less is moved than is given up: large records that turn out to be none may overlap.
    const std::int64_t kept = std::max<std::int64_t>(buffer_from_ + buffer_size_ - at, 0);
    if (at - buffer_from_ >= kept) {
      if (buffer_.size() < kLine) buffer_.resize(kLine + static_cast<std::size_t>(kBlock));
      const auto count = static_cast<std::size_t>(kept);
      const std::size_t old_begin = lead_ + static_cast<std::size_t>(buffer_size_) - count;
      // What is read next goes to where a line of the cache begins: the kernel copies twice as fast there.
      lead_ = (kLine - (std::bit_cast<std::uintptr_t>(buffer_.data()) + count) % kLine) % kLine;
      if (count > 0) std::memmove(buffer_.data() + lead_, buffer_.data() + old_begin, count);
      buffer_from_ = at;
      buffer_size_ = kept;
    }
    const std::int64_t have = buffer_from_ + buffer_size_;
    const auto missing = static_cast<std::size_t>(std::min(std::max(end - have, kBlock), end_ - have));
    const auto used = lead_ + static_cast<std::size_t>(buffer_size_);
    if (buffer_.size() < used + missing) buffer_.resize(used + missing);
    const auto out = std::span(buffer_).subspan(used, missing);
    const auto got = file_->read_at(have, out);
    if (got && *got == missing) {
      buffer_size_ += static_cast<std::int64_t>(missing);
      return;
    }
    read_by_page(have, out);
  }

  // What cannot be read becomes zeros that no record may touch.
  void read_by_page(std::int64_t from, std::span<std::byte> out) {
    const std::int64_t to = from + std::ssize(out);
    for (std::int64_t at = from; at < to;) {
      const std::int64_t page_end = std::min(at / kPageSize * kPageSize + kPageSize, to);
      const auto piece =
          out.subspan(static_cast<std::size_t>(at - from), static_cast<std::size_t>(page_end - at));
      const auto got = file_->read_at(at, piece);
      const std::size_t there = got ? *got : 0;
      std::ranges::fill(piece.subspan(there), std::byte{0});
      if (there < piece.size()) {
        const std::int64_t bad_from = at + static_cast<std::int64_t>(there);
        if (!bad_.empty() && bad_.back().second == bad_from) {
          bad_.back().second = page_end;
        } else {
          bad_.emplace_back(bad_from, page_end);
        }
      }
      at = page_end;
    }
    buffer_size_ += std::ssize(out);
  }

  [[nodiscard]] std::span<const std::byte> bytes(std::int64_t from, std::int64_t to) const {
    return std::span(buffer_).subspan(lead_ + static_cast<std::size_t>(from - buffer_from_),
                                      static_cast<std::size_t>(to - from));
  }

  // The first place in [from, to) behind which a record's magic stands; `to` if there is none.
  [[nodiscard]] std::int64_t next_candidate(std::int64_t from, std::int64_t to) {
    constexpr int kFirstByte = 0xDA;
    constexpr std::int64_t kMagic = format::kRecordMagicOffset;
    while (from < to) {
      reach(from, from + format::kBlankSize);
      const std::int64_t last =
          std::min(to, buffer_from_ + buffer_size_ - kMagic - 4 + 1);  // places end here
      if (last <= from) return to;                                     // the source does
      while (from < last) {
        const auto there = bytes(from + kMagic, last + kMagic);
        const void* const hit = std::memchr(there.data(), kFirstByte, there.size());
        if (hit == nullptr) {
          from = last;
          break;
        }
        from += static_cast<const std::byte*>(hit) - there.data();
        const auto magic = load_be<std::int32_t>(bytes(from + kMagic, from + kMagic + 4).data());
        if (magic == format::kMagicV1 || magic == format::kMagicV2) return from;
        ++from;
      }
    }
    return to;
  }

  // The record that begins at `at`; borrows from the buffer until the next call.
  [[nodiscard]] const MessageView* record_at(std::int64_t at) {
    if (end_ - at < format::kMinRecordSize) return nullptr;
    reach(at, at + format::kMinRecordSize);
    const auto head = bytes(at, at + format::kMinRecordSize);
    const auto magic = load_be<std::int32_t>(head.data() + format::kRecordMagicOffset);
    if (magic != format::kMagicV1 && magic != format::kMagicV2) return nullptr;
    const auto size = load_be<std::int32_t>(head.data());
    if (size < format::kMinRecordSize || size > format::kMaxRecordSize || size > end_ - at) return nullptr;
    const auto own_offset = load_be<std::int64_t>(head.data() + format::kRecordPhysicalOffsetOffset);
    if (own_offset < 0 || own_offset > scan::kLargestFileStart) return nullptr;
    reach(at, at + size + format::kBlankSize);
    record_ = bytes(at, at + size);
    if (MessageView::decode(record_, message_) || !has_sane_numbers(message_) ||
        touches_unreadable(at, at + size))
      return nullptr;
    if (size > kAlwaysLookedInto && size > vain_) {
      ++into_->passed_over;
      return nullptr;
    }
    if (is_found(message_, record_)) return &message_;
    vain_ -= size;
    return nullptr;
  }

  [[nodiscard]] bool touches_unreadable(std::int64_t from, std::int64_t to) const {
    return std::ranges::any_of(bad_,
                               [&](const auto& range) { return range.first < to && from < range.second; });
  }

  [[nodiscard]] FoundRecord found_at(std::int64_t at, const MessageView& message) {
    FoundRecord found;
    found.position = at;
    found.log_offset = message.physical_offset;
    found.store_timestamp = message.store_timestamp;
    found.size = message.total_size;
    const std::int64_t behind = at + found.size;
    if (behind + format::kBlankSize <= buffer_from_ + buffer_size_) {
      const auto blank = format::BlankView::parse(bytes(behind, behind + format::kBlankSize));
      if (blank) found.blank_behind = blank->size;
    }
    const format::HostView& host = message.store_host;
    if (host.address.size() != address_.size() || host.port != port_ ||
        std::memcmp(host.address.data(), address_.data(), address_.size()) != 0 || hosts_of_ != into_) {
      address_.assign(host.address.begin(), host.address.end());
      port_ = host.port;
      hosts_of_ = into_;
      const std::string name = format::to_string(host);
      auto& hosts = into_->hosts;
      host_ = static_cast<std::uint32_t>(std::ranges::find(hosts, name) - hosts.begin());
      if (host_ == hosts.size()) hosts.push_back(name);
    }
    found.host = host_;
    return found;
  }

  const io::ReadFileSystem& files_;
  const std::vector<Source>& sources_;
  std::int64_t chunk_;
  std::unique_ptr<io::ReadFile> file_;
  std::size_t source_ = 0;
  std::int64_t end_ = 0;
  std::int64_t first_ = 0;  // where records may begin
  std::int64_t vain_ = 0;
  ChunkScan* into_ = nullptr;
  std::vector<std::byte> buffer_;
  std::size_t lead_ = 0;  // bytes of the buffer that are not used
  std::int64_t buffer_from_ = 0;
  std::int64_t buffer_size_ = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> bad_;  // in the buffer
  std::span<const std::byte> record_;
  MessageView message_;
  std::vector<std::byte> address_;  // the last record's host
  std::int32_t port_ = 0;
  std::uint32_t host_ = 0;
  const ChunkScan* hosts_of_ = nullptr;
};

// Joins what the chunks have, in their order, to what one search from the first byte to the last would have
// found.
class Joiner {
 public:
  Joiner(const io::ReadFileSystem& files, const std::vector<Source>& sources, std::int64_t chunk)
      : scanner_(files, sources, chunk) {}

  Status take(std::size_t source, std::int64_t from, std::int64_t to, const ChunkScan& scan) {
    if (source != source_) behind_ = 0;
    source_ = source;
    for (const auto& [begin, end] : scan.unreadable) {
      auto& all = found_.unreadable;
      if (!all.empty() && all.back().source == source && all.back().to == begin) {
        all.back().to = end;
      } else {
        all.push_back({source, begin, end});
      }
    }
    found_.passed_over += scan.passed_over;
    // What lies within the record that came over the border was never there. Where its end falls into a
    // record that the chunk has, the search is made again until both agree.
    std::int64_t at = std::max(from, behind_);
    auto next = scan.records.begin();
    while (at < to) {
      next = std::find_if(next, scan.records.end(), [&](const FoundRecord& one) { return one.end() > at; });
      if (next == scan.records.end()) break;
      if (next->position >= at) {
        for (; next != scan.records.end(); ++next) add(*next, scan);
        break;
      }
      ChunkScan again;
      RMQ_TRY(one, scanner_.first(source, at, std::min(next->end(), to), again));
      if (one) add(*one, again);
      at = one ? one->end() : next->end();
    }
    return {};
  }

  FoundRecords done() { return std::move(found_); }

 private:
  void add(const FoundRecord& record, const ChunkScan& scan) {
    ++found_.records;
    found_.record_bytes += record.size;
    behind_ = record.end();
    const std::uint32_t host = host_number(scan.hosts[record.host]);
    auto& runs = found_.runs;
    const bool goes_on = !runs.empty() && runs.back().source == source_ &&
                         runs.back().end() == record.position && runs.back().log_end() == record.log_offset &&
                         runs.back().host == host;
    if (!goes_on) {
      Run run;
      run.source = source_;
      run.position = record.position;
      run.log_offset = record.log_offset;
      run.first_time = record.store_timestamp;
      run.host = host;
      runs.push_back(run);
    }
    Run& run = runs.back();
    run.length += record.size;
    ++run.records;
    run.longest = std::max<std::int64_t>(run.longest, record.size);
    run.last_time = record.store_timestamp;
    run.newest_time = std::max(run.newest_time, record.store_timestamp);
    run.blank_behind = record.blank_behind;
  }

  std::uint32_t host_number(const std::string& name) {
    if (last_host_ < found_.hosts.size() && found_.hosts[last_host_] == name) return last_host_;
    const auto [known, is_new] =
        host_numbers_.try_emplace(name, static_cast<std::uint32_t>(found_.hosts.size()));
    if (is_new) found_.hosts.push_back(name);
    return last_host_ = known->second;
  }

  ChunkScanner scanner_;
  FoundRecords found_;
  std::size_t source_ = 0;
  std::int64_t behind_ = 0;  // the last record of the source at hand
  std::map<std::string, std::uint32_t> host_numbers_;
  std::uint32_t last_host_ = 0;
};

Status list_below(const io::ReadFileSystem& files, const std::string& path, const std::string& shown,
                  int depth, SourceList& into) {
  const auto entries = files.list(path);
  if (!entries) {
    if (depth == 0) return entries.error();
    into.faults.push_back(entries.error().message());
    return {};
  }
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string below = io::join_path(path, entry.name);
    const std::string name = shown.empty() ? entry.name : io::join_path(shown, entry.name);
    if (entry.kind == io::EntryKind::file) into.sources.push_back({below, name, entry.size});
    if (entry.kind != io::EntryKind::directory) continue;
    if (depth == kDeepestDirectory) {
      into.faults.push_back(below + " lies too deep, or in a circle of links");
      continue;
    }
    RMQ_CHECK(list_below(files, below, name, depth + 1, into));
  }
  return {};
}

}  // namespace

Result<SourceList> list_sources(const io::ReadFileSystem& files, const std::string& path) {
  RMQ_TRY(entry, files.stat(path));
  SourceList list;
  if (entry.kind == io::EntryKind::directory) {
    RMQ_CHECK(list_below(files, path, "", 0, list));
    return list;
  }
  RMQ_TRY(file, files.open(path));
  list.sources.push_back({path, path.substr(path.find_last_of('/') + 1), file->size()});
  return list;
}

bool is_found(const MessageView& message, std::span<const std::byte> record) {
  return has_sane_numbers(message) && are_properties(message.properties) &&
         recovery::is_whole(message, record);
}

Result<FoundRecords> find_records(const io::ReadFileSystem& files, const std::vector<Source>& sources,
                                  const FindOptions& options) {
  struct Chunk {
    std::size_t source = 0;
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  const std::size_t jobs = std::max<std::size_t>(options.jobs, 1);
  const std::int64_t size = std::max<std::int64_t>(options.chunk, 1);
  std::vector<std::unique_ptr<ChunkScanner>> workers(jobs);
  Joiner joiner(files, sources, size);
  std::vector<Chunk> batch;
  std::vector<ChunkScan> scans;
  std::vector<std::optional<Error>> errors;
  std::int64_t bytes = 0;
  const auto run_batch = [&]() -> Status {
    scans.assign(batch.size(), {});
    errors.assign(batch.size(), std::nullopt);
    parallel_for(jobs, batch.size(), options.cancelled, [&](std::size_t worker, std::size_t i) {
      if (!workers[worker]) workers[worker] = std::make_unique<ChunkScanner>(files, sources, size);
      auto scanned = workers[worker]->scan(batch[i].source, batch[i].from, batch[i].to, scans[i]);
      if (!scanned) errors[i] = std::move(scanned).error();
      if (options.advance) options.advance(batch[i].to - batch[i].from);
    });
    if (options.cancelled && options.cancelled())
      return Error{ErrorCode::cancelled, 0, "searching for messages"};
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (errors[i]) return std::move(*errors[i]);
      RMQ_CHECK(joiner.take(batch[i].source, batch[i].from, batch[i].to, scans[i]));
      bytes += batch[i].to - batch[i].from;
    }
    batch.clear();
    return {};
  };
  for (std::size_t source = 0; source < sources.size(); ++source) {
    for (std::int64_t from = 0; from < sources[source].size; from += size) {
      batch.push_back({source, from, std::min(from + size, sources[source].size)});
      if (batch.size() >= 8 * jobs) RMQ_CHECK(run_batch());
    }
  }
  RMQ_CHECK(run_batch());
  FoundRecords found = joiner.done();
  found.bytes = bytes;
  return found;
}

}  // namespace rmq::carve
