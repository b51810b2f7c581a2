#include "libstore/repair/newest_messages.h"

#include <algorithm>

#include "libstore/scan/commit_log_walker.h"

namespace rmq::repair {

std::map<QueueKey, std::int64_t> newest_messages(const io::ReadFileSystem& files,
                                                 const scan::StoreSurvey& survey,
                                                 const std::set<QueueKey>& wanted) {
  std::map<QueueKey, std::int64_t> newest;
  const auto& log = survey.commit_log.files;
  for (std::size_t i = log.size(); i-- > 0 && newest.size() < wanted.size();) {
    const auto file = files.open(log[i].path);
    if (!file) continue;
    scan::CommitLogWalker::Options options;
    options.records_start = log[i].start;
    options.file_size = survey.commit_log.file_size;
    options.dledger = survey.commit_log_is_dledger;
    scan::CommitLogWalker walker(**file, options);
    QueueKey key;
    while (const scan::LogItem* item = walker.next()) {
      if (item->kind != scan::LogItemKind::record) continue;
      key.first = item->message.topic;
      key.second = item->message.queue_id;
      if (!wanted.contains(key)) continue;
      std::int64_t& time = newest[key];
      time = std::max(time, item->message.store_timestamp);
    }
  }
  return newest;
}

}  // namespace rmq::repair
