#include "libstore/engine/retention.h"

#include <algorithm>
#include <charconv>

namespace rmq::engine {

DiskJudgement judge_disks(const DiskUse& use, const RetentionOptions& options, bool refusing) {
  const int warning = std::clamp(options.disk_space_warning_level_ratio, 35, 90);
  const int forced = std::clamp(options.disk_space_clean_forcibly_ratio, 30, 85);
  const int most = std::clamp(options.disk_max_used_space_ratio, 10, 95);
  constexpr int kUnknown = -1;

  DiskJudgement judgement;
  judgement.refuse_puts = refusing;
  int least = 100;  // with several paths, the emptiest decides
  for (const DiskUse::LogDirectory& log : use.log) {
    const int used = log.used.value_or(kUnknown);
    least = std::min(least, used);
    if (used > forced) judgement.full.push_back(log.directory);
  }
  const int queues = use.queues.value_or(kUnknown);
  for (const int used : {least, queues}) {
    if (used > forced) {
      judgement.remove = judgement.at_once = true;
      if (used > warning) judgement.refuse_puts = true;
      return judgement;
    }
    judgement.refuse_puts = false;
  }
  judgement.remove = std::max(least, queues) > most || std::min(least, queues) < 0;
  return judgement;
}

int used_percent(std::int64_t used, std::int64_t free) {
  const std::int64_t all = used + free;
  if (used < 0 || free < 0 || all <= 0) return 0;
  // In steps of a thousandth of the whole where the product would not fit.
  const std::int64_t unit = all > INT64_MAX / 200 ? 1000 : 1;
  return static_cast<int>((used / unit * 100 + all / unit - 1) / (all / unit));
}

Result<std::vector<int>> parse_delete_when(const std::string& text) {
  std::vector<int> hours;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(';', at), text.size());
    int hour = -1;
    const auto [rest, fault] = std::from_chars(text.data() + at, text.data() + end, hour);
    if (fault != std::errc{} || rest != text.data() + end || hour < 0 || hour > 23)
      return wrong_use("deleteWhen '" + text + "' is no list of hours such as '04' or '04;16'");
    hours.push_back(hour);
    at = end + 1;
  }
  return hours;
}

}  // namespace rmq::engine
