# An agent shows a secret that the controller made for it. This controller asks nobody for a password, so it tells it to
# whoever asks from the cluster's own network.
set -eu
page=${JENKINS_URL}computer/$JENKINS_AGENT_NAME/jenkins-agent.jnlp
JENKINS_SECRET=$(curl -fsS "$page" | tr -d '\n' | sed -n 's:.*<application-desc[^>]*>[^<]*<argument>\([0-9a-f]*\)<.*:\1:p')
export JENKINS_SECRET
exec jenkins-agent
