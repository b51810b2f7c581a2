#include "libstore/recovery/log_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "libstore/base/parallel.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::recovery {
namespace {

constexpr std::int64_t kMostMissingFiles = 64;  // in a row; more is another log, not damage of this one
// Ends the name of a file on its way; one that a kill left behind is found again by its records.
constexpr std::string_view kOnItsWay = ".recovery";

struct Candidate {
  const scan::StoreFile* file = nullptr;
  std::optional<std::int64_t> name_start;    // none: its name is no offset
  std::optional<std::int64_t> proved_start;  // by its records; none: it has no record
};

std::string directory_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

class Layouter {
 public:
  Layouter(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, const PlanOptions& options)
      : files_(files), set_(survey.commit_log), options_(options), file_size_(survey.commit_log.file_size) {}

  LogLayout run() {
    for (const scan::MappedFile& file : set_.files) candidates_.push_back({&file, file.start, {}});
    for (const scan::StoreFile& stray : set_.strays) candidates_.push_back({&stray, {}, {}});
    if (file_size_ <= 0) {  // nothing but empty files
      for (const Candidate& one : candidates_) set_aside(*one.file, "an empty file");
      order_steps();
      return std::move(layout_);
    }
    if (options_.depth == Depth::full || !names_are_in_order()) {
      prove();
    } else {
      for (Candidate& one : candidates_) one.proved_start = one.name_start;
    }
    choose();
    if (layout_.refusals.empty()) lay_out();
    if (layout_.refusals.empty()) order_steps();
    return std::move(layout_);
  }

 private:
  [[nodiscard]] bool names_are_in_order() const {
    if (!set_.strays.empty()) return false;
    for (std::size_t i = 0; i < set_.files.size(); ++i) {
      if (set_.files[i].size != file_size_ || set_.files[i].start % file_size_ != 0) return false;
      if (i > 0 && set_.files[i].start != set_.files[i - 1].start + file_size_) return false;
    }
    return true;
  }

  void prove() {
    parallel_for(options_.jobs, candidates_.size(), options_.cancelled, [&](std::size_t, std::size_t i) {
      Candidate& one = candidates_[i];
      if (one.file->size < format::kMinRecordSize) return;
      const auto file = files_.open(one.file->path);
      if (file) one.proved_start = scan::records_start(**file, one.name_start.value_or(0));
    });
  }

  // Is `a` a better holder of its part than `b`?
  static bool is_better(const Candidate& a, const Candidate& b) {
    const auto rank = [](const Candidate& one) {
      return std::tuple(one.proved_start.has_value(), one.name_start == one.proved_start || !one.proved_start,
                        one.name_start.has_value());
    };
    return rank(a) > rank(b);
  }

  void choose() {
    for (const Candidate& one : candidates_) {
      const auto start = one.proved_start ? one.proved_start : one.name_start;
      const bool fits = start && *start % file_size_ == 0;
      if (!fits && one.proved_start) {
        layout_.refusals.push_back(fmt::format(
            "the records of {} say that it begins at {}, which is no multiple of the file size {}",
            one.file->shown, *one.proved_start, file_size_));
        return;
      }
      if (!fits || one.file->size == 0) {
        set_aside(*one.file, one.file->size == 0 ? "an empty file" : "no file of the commit log");
        continue;
      }
      const auto [other, first] = chosen_.try_emplace(*start, one);
      if (first) continue;
      const Candidate worse = is_better(one, other->second) ? std::exchange(other->second, one) : one;
      set_aside(*worse.file, fmt::format("{} holds this part of the log", other->second.file->shown));
    }
  }

  void set_aside(const scan::StoreFile& file, std::string why) {
    aside_.push_back(setting_aside(file, std::move(why)));
  }

  void lay_out() {
    if (chosen_.empty()) return;
    std::int64_t last = -1;  // the last part with records
    for (const auto& [start, one] : chosen_) {
      if (one.proved_start) last = start;
    }
    std::int64_t expected = chosen_.begin()->first;
    const scan::StoreFile* before = nullptr;
    for (const auto& [start, one] : chosen_) {
      if (start > expected && start > last) {
        set_aside(*one.file, "an unused file that does not follow the log");
        continue;
      }
      if ((start - expected) / file_size_ > kMostMissingFiles) {
        layout_.refusals.push_back(fmt::format("{} files are missing in front of {}",
                                               (start - expected) / file_size_, one.file->shown));
        return;
      }
      for (; expected < start; expected += file_size_) missing(expected, *(before ? before : one.file));
      there(start, one);
      before = one.file;
      expected = start + file_size_;
    }
  }

  [[nodiscard]] LogPart part_at(std::int64_t start, const scan::StoreFile& like) const {
    const std::string name = format::mapped_file_name(start);
    LogPart part;
    part.start = start;
    part.path = io::join_path(directory_of(like.path), name);
    part.shown = io::join_path(directory_of(like.shown), name);
    return part;
  }

  void missing(std::int64_t start, const scan::StoreFile& like) {
    LogPart part = part_at(start, like);
    make_.push_back(making(part, "", "a file of the log is missing here"));
    layout_.parts.push_back(std::move(part));
  }

  void there(std::int64_t start, const Candidate& one) {
    LogPart part = part_at(start, *one.file);
    part.read_path = one.file->path;
    part.size = std::min(one.file->size, file_size_);
    if (one.file->size != file_size_) {
      // The copy is there at full size before the original leaves.
      LogPart aside = part;
      aside.path += kOnItsWay;
      aside.shown += kOnItsWay;
      copy_.push_back(
          making(aside, one.file->path,
                 fmt::format("{} has {} bytes instead of {}", one.file->shown, one.file->size, file_size_)));
      copied_.push_back(setting_aside(*one.file, "a copy of the right length takes its place"));
      rename_.push_back(renaming(aside, part, "the copy of the right length"));
    } else if (one.file->path != part.path) {
      LogPart now = part;
      now.path = one.file->path;
      now.shown = one.file->shown;
      rename_.push_back(renaming(now, part, fmt::format("its records say that it begins at {}", start)));
    }
    layout_.parts.push_back(std::move(part));
  }

  [[nodiscard]] Step making(const LogPart& part, const std::string& source, std::string why) const {
    Step step;
    step.kind = Step::Kind::make;
    step.path = part.path;
    step.shown = part.shown;
    step.to = file_size_;
    step.source = source;
    step.why = std::move(why);
    return step;
  }

  static Step renaming(const LogPart& from, const LogPart& to, std::string why) {
    Step step;
    step.kind = Step::Kind::rename;
    step.path = from.path;
    step.shown = from.shown;
    step.target = to.path;
    step.why = std::move(why);
    return step;
  }

  // Nothing leaves before its replacement is there, and a name is free before it is given.
  void order_steps() {
    std::vector<Step>& steps = layout_.steps;
    std::ranges::move(aside_, std::back_inserter(steps));
    std::ranges::move(copy_, std::back_inserter(steps));
    std::ranges::move(copied_, std::back_inserter(steps));
    while (!rename_.empty()) {
      const auto is_free = [&](const Step& step) {
        return std::ranges::none_of(rename_, [&](const Step& other) { return other.path == step.target; });
      };
      const auto next = std::ranges::find_if(rename_, is_free);
      if (next != rename_.end()) {
        steps.push_back(*next);
        rename_.erase(next);
      } else {  // files that changed their names among themselves: one of them steps back
        Step& one = rename_.front();
        Step first = one;
        first.target += kOnItsWay;
        one.path = first.target;
        one.shown = io::join_path(directory_of(one.shown), io::name_of(one.path));
        steps.push_back(std::move(first));
      }
    }
    std::ranges::move(make_, std::back_inserter(steps));
  }

  const io::ReadFileSystem& files_;
  const scan::MappedFileSet& set_;
  const PlanOptions& options_;
  std::int64_t file_size_;
  std::vector<Candidate> candidates_;
  std::map<std::int64_t, Candidate> chosen_;  // by the start of the part
  std::vector<Step> aside_;                   // what is in the way
  std::vector<Step> copy_;                    // of files of a wrong length
  std::vector<Step> copied_;                  // those files
  std::vector<Step> rename_;
  std::vector<Step> make_;
  LogLayout layout_;
};

}  // namespace

Step setting_aside(const scan::StoreFile& file, std::string why) {
  Step step;
  step.kind = Step::Kind::set_aside;
  step.path = file.path;
  step.shown = file.shown;
  step.why = std::move(why);
  return step;
}

LogLayout lay_out_log(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                      const PlanOptions& options) {
  return Layouter(files, survey, options).run();
}

}  // namespace rmq::recovery
