-- severity: warning
-- message: a host looked up very many different long names of one domain today or yesterday (a tunnel by DNS?)
-- log_type: vpc_dns
-- Raise the numbers if a mail gateway or a CDN is named: those ask for many names by nature.
SELECT
    p_account,
    srcaddr,
    regexp_extract(query_name, '([^.]+\.[^.]+)\.$', 1) AS domain,
    count(DISTINCT query_name) AS names
FROM vpc_dns
WHERE p_day >= current_date - 1
  AND length(query_name) > 60
GROUP BY p_account, srcaddr, domain
HAVING names > 1000
ORDER BY names DESC
