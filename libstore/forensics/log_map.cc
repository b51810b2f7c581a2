#include "libstore/forensics/log_map.h"

#include <algorithm>

namespace rmq::forensics {

LogMap::LogMap(std::vector<LogFileReport>& reports, std::int64_t file_size) : file_size_(file_size) {
  for (LogFileReport& report : reports) {
    if (report.file.duplicate_of == nullptr) files_.push_back(&report);
  }
  if (files_.empty()) return;
  begin_ = files_.front()->file.start;
  std::size_t last = files_.size();
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i]->records > 0 || !files_[i]->damage.empty()) last = i;
  }
  end_ = begin_;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const LogFileReport& report = *files_[i];
    const std::int64_t start = report.file.start;
    const bool followed = last != files_.size() && i < last;
    for (const LogDamage& damage : report.damage) {
      LogWound wound;
      wound.file = i;
      wound.from = start + damage.position;
      wound.to = wound.from + damage.length;
      wound.damage = damage;
      wounds_.push_back(wound);
    }
    if (followed && report.unwritten_from >= 0) {
      LogWound wound;
      wound.kind = LogWound::Kind::unwritten;
      wound.file = i;
      wound.from = start + report.unwritten_from;
      wound.to = start + report.file.file->size;
      wounds_.push_back(wound);
    }
    if (followed && !report.ends_in_blank && report.file.file->size < file_size_) {
      LogWound wound;
      wound.kind = LogWound::Kind::cut_off;
      wound.file = i;
      wound.from = start + report.file.file->size;
      wound.to = std::min(start + file_size_, files_[i + 1]->file.start);
      if (wound.to > wound.from) wounds_.push_back(wound);
    }
    if (followed && files_[i + 1]->file.start > start + std::max(file_size_, report.file.file->size)) {
      LogWound wound;
      wound.kind = LogWound::Kind::missing_file;
      wound.from = start + std::max(file_size_, report.file.file->size);
      wound.to = files_[i + 1]->file.start;
      wounds_.push_back(wound);
    }
    if (i == last) {
      last_ = &report;
      end_ = report.ends_in_blank ? start + std::max(file_size_, report.file.file->size)
                                  : start + (report.unwritten_from >= 0 ? report.unwritten_from
                                                                        : report.file.file->size);
    }
  }
  std::ranges::sort(wounds_, {}, &LogWound::from);
}

LogMap::Location LogMap::locate(std::int64_t log_offset) {
  Location location;
  if (files_.empty() || log_offset < begin_) {
    location.place = files_.empty() ? Place::behind : Place::before;
    return location;
  }
  auto wound = std::ranges::upper_bound(wounds_, log_offset, {}, &LogWound::from);
  if (wound != wounds_.begin() && log_offset < std::prev(wound)->to) {
    location.wound = &*std::prev(wound);
    location.place = location.wound->kind == LogWound::Kind::missing_file ? Place::missing : Place::wound;
    return location;
  }
  if (log_offset >= end_) return location;
  const auto after = std::ranges::upper_bound(files_, log_offset, {}, [](const LogFileReport* report) {
    return report->file.start;
  });
  location.file = *std::prev(after);
  location.position = log_offset - location.file->file.start;
  location.place = Place::record_space;
  return location;
}

}  // namespace rmq::forensics
