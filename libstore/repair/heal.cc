#include "libstore/repair/heal.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "libstore/base/status.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/recovery/bridge.h"
#include "libstore/recovery/mend.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::repair {
namespace {

using recovery::Step;

// Files as they will be when ranges of some, or all of some that are missing, have come from elsewhere.
class PatchedFiles final : public io::ReadFileSystem {
 public:
  struct Patch {
    std::int64_t to = 0;
    std::string source;
    std::int64_t source_from = 0;
  };
  struct Patched {
    std::map<std::int64_t, Patch> patches;         // by their beginnings, apart from each other
    std::optional<io::DirectoryEntry> whole = {};  // there is no such file yet
  };

  explicit PatchedFiles(const io::ReadFileSystem& files) : files_(files) {}

  void patch(const std::string& path, std::int64_t from, Patch patch) {
    patched_[path].patches[from] = std::move(patch);
  }
  void add(const std::string& path, io::DirectoryEntry entry, const std::string& source) {
    Patched& file = patched_[path];
    file.patches[0] = {entry.size, source, 0};
    file.whole = std::move(entry);
  }

  Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override {
    const auto found = patched_.find(path);
    if (found == patched_.end()) return files_.open(path);
    auto file = std::make_unique<File>(found->second);
    if (!found->second.whole) {
      RMQ_TRY(base, files_.open(path));
      file->base = std::move(base);
    }
    for (const auto& [from, patch] : found->second.patches) {
      RMQ_TRY(source, files_.open(patch.source));
      file->sources[from] = std::move(source);
    }
    return file;
  }

  Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override {
    auto entries = files_.list(directory);
    if (!entries) return entries;
    for (const auto& [path, patched] : patched_)
      if (patched.whole && path == io::join_path(directory, patched.whole->name))
        entries->push_back(*patched.whole);
    std::ranges::sort(*entries, {}, &io::DirectoryEntry::name);
    return entries;
  }

  Result<io::DirectoryEntry> stat(const std::string& path) const override {
    const auto found = patched_.find(path);
    if (found != patched_.end() && found->second.whole) return *found->second.whole;
    return files_.stat(path);
  }

 private:
  struct File final : io::ReadFile {
    explicit File(const Patched& with) : patched(with) {}

    Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
      std::size_t done = 0;
      while (done < out.size()) {
        const std::int64_t at = position + static_cast<std::int64_t>(done);
        auto next = patched.patches.upper_bound(at);
        const bool inside = next != patched.patches.begin() && std::prev(next)->second.to > at;
        std::size_t most = out.size() - done;
        if (inside) {
          const auto& [from, patch] = *std::prev(next);
          most = std::min(most, static_cast<std::size_t>(patch.to - at));
          RMQ_TRY(got, sources.at(from)->read_at(patch.source_from + (at - from), out.subspan(done, most)));
          done += got;
          if (got < most) break;
          continue;
        }
        if (!base) break;
        if (next != patched.patches.end()) most = std::min(most, static_cast<std::size_t>(next->first - at));
        RMQ_TRY(got, base->read_at(at, out.subspan(done, most)));
        done += got;
        if (got < most) break;
      }
      return done;
    }
    std::int64_t size() const override { return patched.whole ? patched.whole->size : base->size(); }
    std::int64_t next_data(std::int64_t position) const override { return position; }
    std::int64_t next_hole(std::int64_t) const override { return size(); }

    const Patched& patched;
    std::unique_ptr<io::ReadFile> base;
    std::map<std::int64_t, std::unique_ptr<io::ReadFile>> sources;
  };

  const io::ReadFileSystem& files_;
  std::map<std::string, Patched> patched_;
};

// Bytes of one file that are not what was written.
struct BadRange {
  std::int64_t from = 0;  // positions in the file
  std::int64_t to = 0;
  bool is_last = false;           // nothing but zeros is behind it
  std::vector<std::byte> before;  // the whole record in front of it
};

Result<std::vector<BadRange>> bad_ranges(const io::ReadFileSystem& files, const scan::MappedFile& part,
                                         std::int64_t file_size) {
  RMQ_TRY(file, files.open(part.path));
  scan::CommitLogWalker::Options options;
  options.records_start = part.start;
  options.file_size = file_size;
  scan::CommitLogWalker walker(*file, options);
  std::vector<BadRange> ranges;
  std::vector<std::byte> last;
  while (const scan::LogItem* item = walker.next()) {
    const bool good = item->kind == scan::LogItemKind::blank ||
                      (item->kind == scan::LogItemKind::record &&
                       item->message.physical_offset == part.start + item->position &&
                       recovery::stands_for_lost_bytes(item->message) == recovery::StandIn::no &&
                       recovery::is_whole(item->message, item->bytes));
    if (good) {
      last.assign(item->bytes.begin(), item->bytes.end());
      continue;
    }
    if (item->kind == scan::LogItemKind::unwritten) {
      if (!ranges.empty() && ranges.back().to == item->position) ranges.back().is_last = true;
      continue;
    }
    if (!ranges.empty() && ranges.back().to == item->position) {
      ranges.back().to += item->length;
    } else {
      ranges.push_back({item->position, item->position + item->length, false, last});
    }
  }
  return ranges;
}

const scan::MappedFile* file_at(const scan::StoreSurvey& survey, std::int64_t start) {
  const auto& all = survey.commit_log.files;
  const auto found = std::ranges::lower_bound(all, start, {}, &scan::MappedFile::start);
  return found != all.end() && found->start == start ? &*found : nullptr;
}

class Healer {
 public:
  Healer(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, const scan::StoreSurvey& replica,
         const recovery::PlanOptions& options)
      : files_(files), survey_(survey), replica_(replica), options_(options), patched_(files) {}

  Result<Healing> run() {
    const std::int64_t size = survey_.commit_log.file_size;
    if (survey_.commit_log.files.empty()) return wrong_use("there is no commit log to heal");
    if (replica_.commit_log.file_size != size) {
      return wrong_use(fmt::format("{} has commit log files of {} bytes, {} of {}: no copy of each other",
                                   replica_.root, replica_.commit_log.file_size, survey_.root, size));
    }
    for (const scan::MappedFile& part : survey_.commit_log.files) {
      if (options_.cancelled && options_.cancelled()) return Error{ErrorCode::cancelled, 0, "cancelled"};
      if (part.size != size) continue;  // a plain repair gives it its size first
      const scan::MappedFile* const other = file_at(replica_, part.start);
      if (other == nullptr || other->size != size) continue;
      RMQ_TRY(ranges, bad_ranges(files_, part, size));
      for (const BadRange& range : ranges) RMQ_CHECK(heal(part, *other, range));
    }
    heal_missing_files();
    scan::StoreSurvey survey = survey_;
    if (adds_files_) {
      RMQ_TRY(again, scan::survey_store(patched_, survey_.config));
      survey = std::move(again);
    }
    RMQ_TRY(plan, recovery::make_plan(patched_, survey, options_));
    healing_.plan = std::move(plan);
    healing_.plan.steps.insert(healing_.plan.steps.begin(), std::move_iterator(steps_.begin()),
                               std::move_iterator(steps_.end()));
    return std::move(healing_);
  }

 private:
  Status heal(const scan::MappedFile& part, const scan::MappedFile& other, const BadRange& range) {
    RMQ_TRY(source, files_.open(other.path));
    const std::int64_t lead = std::ssize(range.before);
    std::vector<std::byte> same(range.before.size());
    RMQ_TRY(got, source->read_at(range.from - lead, same));
    if (got < same.size() || same != range.before) {
      return wrong_use(
          fmt::format("{}: what stands before the damage at {} is not the same in {}: it is no "
                      "copy of this log, or it went another way",
                      part.shown, range.from, replica_.root));
    }
    const auto to = whole_until(*source, part.start, range);
    if (!to) return {};
    Step step;
    step.kind = Step::Kind::copy;
    step.path = part.path;
    step.shown = part.shown;
    step.from = range.from;
    step.to = *to;
    step.source = other.path;
    step.source_from = range.from;
    if (const auto crc = recovery::crc_of_range(files_, part.path, step.from, step.to))
      step.crc_before = *crc;
    step.why = "damaged here, whole there";
    steps_.push_back(std::move(step));
    patched_.patch(part.path, range.from, {*to, other.path, range.from});
    healing_.ranges.push_back(part.start + range.from);
    return {};
  }

  // Where the replica's records that begin with the range end: with the range, or behind it where nothing is.
  std::optional<std::int64_t> whole_until(const io::ReadFile& source, std::int64_t start,
                                          const BadRange& range) {
    scan::CommitLogWalker::Options options;
    options.records_start = start;
    options.file_size = survey_.commit_log.file_size;
    options.from = range.from;
    scan::CommitLogWalker walker(source, options);
    while (const scan::LogItem* item = walker.next()) {
      if (item->kind == scan::LogItemKind::blank) {
        const bool reaches = range.to == survey_.commit_log.file_size || range.is_last;
        return reaches ? std::optional(survey_.commit_log.file_size) : std::nullopt;
      }
      if (item->kind != scan::LogItemKind::record ||
          item->message.physical_offset != start + item->position ||
          !recovery::is_whole(item->message, item->bytes))
        return std::nullopt;
      const std::int64_t end = item->position + item->length;
      if (end == range.to || (end > range.to && range.is_last)) return end;
      if (end > range.to) return std::nullopt;
    }
    return std::nullopt;
  }

  // In the middle of the log, between two files that are there.
  void heal_missing_files() {
    const std::int64_t size = survey_.commit_log.file_size;
    const auto& all = survey_.commit_log.files;
    for (std::int64_t start = all.front().start + size; start < all.back().start; start += size) {
      const scan::MappedFile* const other = file_at(replica_, start);
      if (file_at(survey_, start) != nullptr || other == nullptr || other->size != size) continue;
      const std::string name = format::mapped_file_name(start);
      const std::string directory = all.front().path.substr(0, all.front().path.rfind('/'));
      const std::string shown = all.front().shown.substr(0, all.front().shown.rfind('/') + 1) + name;
      Step step;
      step.kind = Step::Kind::make;
      step.path = io::join_path(directory, name);
      step.shown = shown;
      step.to = size;
      step.source = other->path;
      step.why = "missing here, there over there";
      patched_.add(step.path, {name, io::EntryKind::file, size, other->modified_ms}, other->path);
      steps_.push_back(std::move(step));
      healing_.ranges.push_back(start);
      adds_files_ = true;
    }
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const scan::StoreSurvey& replica_;
  const recovery::PlanOptions& options_;
  PatchedFiles patched_;
  Healing healing_;
  std::vector<Step> steps_;
  bool adds_files_ = false;
};

}  // namespace

Result<Healing> plan_heal(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                          const scan::StoreSurvey& replica, const recovery::PlanOptions& options) {
  return Healer(files, survey, replica, options).run();
}

}  // namespace rmq::repair
